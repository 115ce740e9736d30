// Images on their way to other registries, and what came of it.

import {el, show} from './dom.js';
import {get, post} from './daemon.js';
import {perform} from './dialog.js';
import {choice, digest_link, empty, notice, table} from './parts.js';
import {address_of} from './runs.js';
import {session} from './session.js';
import {between, duration, size, time} from './text.js';
import {t} from './words.js';

const page_size = 50, look_again = 2000;
const states = ['waiting', 'running', 'done', 'failed', 'superseded', 'cancelled'];
export const kinds = {waiting: 'queued', done: 'succeeded'};

const arrived = (each) => each.sent_bytes + each.mounted_bytes + each.present_bytes;

// Bytes while they travel; afterwards what they came to.
export function way(each) {
  if (each.total_bytes === 0) return el('span', {class: 'quiet'}, each.state === 'done' ? t('nothing was missing') : '');
  const parts = [t('{size} sent', {size: size(each.sent_bytes)})];
  if (arrived(each) > each.sent_bytes) parts.push(t('{size} there already', {size: size(arrived(each) - each.sent_bytes)}));
  const took = between(each.started, each.ended);
  if (each.sent_bytes > 0 && took > 0) parts.push(`${size(each.sent_bytes / took * 1000)}/s`);
  return [each.state === 'running' ? el('progress', {max: each.total_bytes, value: arrived(each), 'aria-label': t('Progress')}) : null,
    el('div', {}, parts.join(', ')), el('div', {class: 'quiet'}, t('of {size}', {size: size(each.total_bytes)}))];
}

function row(each, reload) {
  const open = each.state === 'waiting' || each.state === 'running';
  return el('tr', {},
    el('td', {}, el('span', {class: `state state-${kinds[each.state] || each.state}`}, t(`replica:${each.state}`)),
      each.tries > 1 ? el('div', {class: 'quiet'}, t('{count} tries', {count: each.tries})) : null),
    el('td', {}, el('code', {}, each.target), ' ', each.tags.map((tag) => [el('span', {class: 'tag'}, tag), ' ']),
      el('div', {class: 'quiet'}, t('from'), ' ', el('code', {title: each.source}, `${each.source.split('@')[0]}@`), digest_link(each.source.split('@')[1])),
      each.why ? el('div', {class: 'bad'}, each.why) : null,
      each.notes.map((note) => el('div', {class: 'quiet'}, note))),
    el('td', {}, each.rule, each.run ? el('div', {}, el('a', {class: 'row-link', href: `#/runs/${each.run}`}, t('run {id}', {id: each.run}))) : null),
    el('td', {}, way(each)),
    el('td', {}, time(each.created), each.started && each.ended ? el('div', {class: 'quiet'}, duration(between(each.started, each.ended))) : null),
    el('td', {}, open && session.may('operator') ? el('button', {type: 'button', 'data-key': `cancel ${each.id}`, onclick: () => perform(async () => {
      await post(`replications/${each.id}/cancel`);
      reload();
    }, t('It is asked to stop.'))}, t('Cancel')) : null));
}

export function replicas_view(place, route, signal) {
  const query = route.query, state = query.get('state') || '', cursor = query.get('cursor') || '';
  document.title = `${t('Replicas')} · Lighterman`;
  const list = el('div', {}, empty(t('Loading…')));
  place.append(el('h1', {}, t('Replicas')),
    el('form', {class: 'tools'}, choice(t('State'), 'state', state, [['', t('all')], ...states.map((each) => [each, t(`replica:${each}`)])],
      (value) => { location.hash = `#/replicas${address_of(query, {state: value, cursor: ''})}`; })), list);
  let seen = '';
  const load = () => get('replications', {state, cursor, limit: page_size}, signal).then((page) => {
    // What did not change keeps its focus and selection.
    const now = JSON.stringify(page);
    if (now === seen) return;
    seen = now;
    show(list,
      page.replications.length ? el('div', {id: 'replicas'}, table([t('State'), t('To'), t('Rule'), t('Bytes'), t('Came'), ''], page.replications.map((each) => row(each, load)), t('Replicas'))) : empty(t('Nothing was or is on its way.')),
      el('nav', {class: 'pages', 'aria-label': t('Pages')},
        cursor ? el('a', {href: `#/replicas${address_of(query, {cursor: ''})}`}, t('Newest')) : null,
        page.next ? el('a', {href: `#/replicas${address_of(query, {cursor: page.next})}`, id: 'older'}, t('Older')) : null));
  }, (error) => signal.aborted || show(list, notice('error', error.message)));
  load();
  const again = setInterval(load, look_again);
  signal.addEventListener('abort', () => clearInterval(again));
}
