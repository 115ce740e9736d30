// What is published and still tagged, with what the newest scan says of it today.

import {el, show} from './dom.js';
import {get, post} from './daemon.js';
import {perform} from './dialog.js';
import {choice, copy_button, digest_link, empty, notice} from './parts.js';
import {address_of} from './runs.js';
import {session} from './session.js';
import {time} from './text.js';
import {why_form} from './why_form.js';
import {t} from './words.js';

const page_size = 50;

export function scan_part(image) {
  if (image.denied) return el('span', {class: 'state state-denied'}, t('denied'), el('span', {class: 'quiet'}, ` ${image.denied}`));
  if (!image.scan) return el('span', {class: 'quiet'}, t('not scanned'));
  const counts = ['CRITICAL', 'HIGH', 'MEDIUM', 'LOW'].filter((each) => image.scan.counts[each] > 0)
    .map((each) => el('span', {class: `severity severity-${each.toLowerCase()}`}, `${image.scan.counts[each]} ${t(`severity:${each}`)}`));
  return [el('span', {class: `state state-${image.scan.clean ? 'succeeded' : 'failed'}`}, image.scan.clean ? t('clean') : t('dirty')), ' ', counts,
    image.scan.reasons.length ? el('ul', {class: 'reasons'}, image.scan.reasons.slice(0, 5).map((reason) => el('li', {}, reason)), image.scan.reasons.length > 5 ? el('li', {class: 'quiet'}, t('{count} more', {count: image.scan.reasons.length - 5})) : null) : null,
    el('div', {class: 'quiet'}, t('scanned'), ' ', time(image.scan.scanned))];
}

function image_row(image) {
  return el('li', {class: 'card image'},
    el('div', {class: 'image-names'},
      el('strong', {}, `${image.source} / ${image.image}`),
      image.targets.map((target) => el('div', {}, el('code', {}, target.repository), ' ', target.tags.map((tag) => [el('span', {class: 'tag'}, tag), ' ']))),
      el('div', {class: 'quiet'}, digest_link(image.digest), ' ', copy_button(`${image.targets[0]?.repository ?? ''}@${image.digest}`),
        ' · ', el('a', {class: 'row-link', href: `#/runs/${image.run}`}, t('run {id}', {id: image.run})), ' · ', t('published'), ' ', time(image.published))),
    el('div', {class: 'image-scan'}, scan_part(image)));
}

export function images_view(place, route, signal) {
  const query = route.query;
  const state = query.get('state') || '', source = query.get('source') || '', cursor = query.get('cursor') || '';
  document.title = `${t('Images')} · Lighterman`;
  const tools = el('form', {class: 'tools'});
  const list = el('div', {}, empty(t('Loading…')));
  place.append(el('h1', {}, t('Images')), why_form(''), tools, list);
  const go = (changes) => { location.hash = `#/images${address_of(query, {...changes, cursor: ''})}`; };

  function draw_tools(sources) {
    show(tools,
      choice(t('Source'), 'source', source, [['', t('all')], ...sources.map((name) => [name, name])], (value) => go({source: value})),
      choice(t('State'), 'state', state, [['', t('all')], ['clean', t('clean')], ['dirty', t('dirty')], ['gone', t('no longer tagged')]], (value) => go({state: value})),
      session.may_all('trigger') ? el('button', {type: 'button', class: 'push', id: 'rescan', 'data-key': 'rescan', onclick: () => perform(() => post('rescan'), t('The scan has begun.'))}, t('Scan again')) : null);
  }
  draw_tools([source].filter(Boolean));
  get('sources', {}, signal).then((answer) => draw_tools(answer.sources.map((each) => each.name))).catch(() => {});

  const wanted = {source, cursor, limit: page_size, clean: {clean: 'true', dirty: 'false'}[state], gone: state === 'gone' ? 'true' : ''};
  get('images', wanted, signal).then((page) => show(list,
    page.images.length ? el('ul', {class: 'images', id: 'images'}, page.images.map(image_row)) : empty(t('No image is like this.')),
    el('nav', {class: 'pages', 'aria-label': t('Pages')},
      cursor ? el('a', {href: `#/images${address_of(query, {cursor: ''})}`}, t('Newest')) : null,
      page.next ? el('a', {href: `#/images${address_of(query, {cursor: page.next})}`, id: 'older'}, t('Older')) : null)),
  (error) => signal.aborted || show(list, notice('error', error.message)));
}
