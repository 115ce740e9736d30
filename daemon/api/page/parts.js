// Pieces that several views show.

import {el, svg} from './dom.js';
import {t} from './words.js';
import {commit_of, is_tag, short_digest, short_ref, state_word} from './text.js';

const signs = {
  queued: '○', running: '◐', succeeded: '✓', failed: '✕', denied: '⊘', cancelled: '–',
  superseded: '↷', skipped: '↷', done: '✓',
};

export function state_badge(state) {
  return el('span', {class: `state state-${state}`}, el('span', {class: 'sign', 'aria-hidden': 'true'}, signs[state] || '•'), state_word(state));
}

export const stage_sign = (state) => el('span', {class: `sign sign-${state}`, 'aria-hidden': 'true'}, signs[state] || '•');

export function ref_chip(ref) {
  if (!ref) return '';
  return el('span', {class: 'ref', title: ref}, is_tag(ref) ? el('span', {class: 'quiet'}, t('tag'), ' ') : null, short_ref(ref));
}

export function commit_chip(run) {
  const commit = commit_of(run);
  return commit ? el('code', {title: commit}, commit.slice(0, 10)) : '';
}

// Leads to what made the image.
export function digest_link(digest) {
  return digest ? el('a', {href: `#/why/${encodeURIComponent(digest)}`, title: t('What made {digest}', {digest})}, el('code', {}, short_digest(digest))) : '';
}

export function fact(name, ...value) {
  return el('div', {}, el('dt', {}, name), el('dd', {}, ...value));
}

export function notice(kind, ...text) {
  return el('p', {class: `notice notice-${kind}`}, ...text);
}

export const empty = (text) => el('p', {class: 'empty'}, text);

const copy_icon = () => svg('svg', {class: 'icon', viewBox: '0 0 16 16', 'aria-hidden': 'true'},
  svg('rect', {x: 2, y: 2, width: 9, height: 9, rx: 1.5}), svg('path', {d: 'M5 13.500h7a1.500 1.500 0 0 0 1.500-1.500V5'}));

export function copy_button(text) {
  return el('button', {
    type: 'button', class: 'small copy', title: t('Copy'), 'aria-label': `${t('Copy')}: ${text}`,
    onclick: async (event) => {
      const button = event.currentTarget;
      try {
        await navigator.clipboard.writeText(text);
        button.replaceChildren('✓');
        setTimeout(() => button.replaceChildren(copy_icon()), 1200);
      } catch {
        toast('error', t('The browser does not let this page copy.'));
      }
    },
  }, copy_icon());
}

export function choice(label, name, value, options, change) {
  return el('label', {class: 'field'}, el('span', {}, label),
    el('select', {name, 'data-key': name, onchange: (event) => change(event.target.value)},
      options.map(([each, text]) => el('option', {value: each, selected: each === value}, text))));
}

export function table(heads, rows, name = '') {
  return el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': name || heads.filter(Boolean).join(', ')},
    el('table', {}, el('thead', {}, el('tr', {}, heads.map((head) => el('th', {scope: 'col'}, head)))),
      el('tbody', {}, rows)));
}

let toasts_left = 0;
export function toast(kind, text) {
  const box = el('div', {class: `toast notice-${kind}`}, text);
  const place = document.getElementById('toasts');
  place.append(box);
  if (++toasts_left > 4) place.firstChild.remove();
  setTimeout(() => {
    if (box.isConnected) box.remove();
    --toasts_left;
  }, kind === 'error' ? 10000 : 5000);
}
