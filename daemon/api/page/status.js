// How the daemon is, its keys, and its sources with their badges.

import {el, show} from './dom.js';
import {get} from './daemon.js';
import {checkup_part} from './checkup.js';
import {copy_button, empty, notice, table} from './parts.js';
import {day} from './text.js';
import {t} from './words.js';

const key_states = {fresh: 'succeeded', old: 'denied', expired: 'failed', retiring: 'running', retired: 'skipped', ended: 'skipped'};

function key_row(key) {
  return el('tr', {},
    el('td', {}, el('strong', {}, key.name), el('div', {class: 'quiet'}, el('code', {title: key.hint}, key.hint.slice(0, 12)))),
    el('td', {}, el('span', {class: `state state-${key_states[key.state] || 'queued'}`}, t(`key:${key.state}`))),
    el('td', {}, key.kind),
    el('td', {}, t('{count} days', {count: key.age_days})),
    el('td', {}, key.signs_until ? t('signs until {day}', {day: day(key.signs_until)}) : t('until {day}', {day: day(key.limit)})),
    el('td', {class: 'number'}, key.signatures ?? '–'), el('td', {class: 'number'}, key.images ?? '–'), el('td', {class: 'number'}, key.waiting ?? '–'),
    el('td', {}, key.warning ? el('span', {class: 'bad'}, key.warning) : '', (key.troubles || []).map((each) => el('div', {class: 'bad'}, `${each.image}: ${each.why}`))));
}

function source_row(source) {
  const badge = new URL(`badge/${encodeURIComponent(source.name)}.svg`, document.baseURI);
  return el('tr', {},
    el('td', {}, el('a', {class: 'row-link', href: `#/runs?source=${encodeURIComponent(source.name)}`}, source.name)),
    el('td', {}, el('code', {}, source.url)), el('td', {}, source.images.join(', ')),
    el('td', {class: 'badge'}, el('img', {src: badge.href, alt: t('badge of {source}', {source: source.name}), height: '20'}), ' ', copy_button(`![${source.name}](${badge.href}?branch=main)`)));
}

export function status_view(place, route, signal) {
  document.title = `${t('Status')} · Lighterman`;
  const health = el('section', {}), doctor = el('section', {}), keys = el('section', {}), sources = el('section', {});
  place.append(el('h1', {}, t('Status')), health, doctor, keys, sources);
  checkup_part(doctor, signal);
  const failed = (part) => (error) => signal.aborted || show(part, notice('error', error.message));

  const load = () => get('status', {}, signal).then((status) => show(health,
    el('p', {class: 'health'}, el('span', {class: `state state-${status.ready ? 'succeeded' : 'failed'}`}, status.ready ? t('ready') : t('not ready')), ' Lighterman ', status.version),
    status.why ? notice('error', status.why) : null, status.warnings.map((warning) => notice('warn', warning))), failed(health));
  load();
  const again = setInterval(load, 15000);
  signal.addEventListener('abort', () => clearInterval(again));

  get('keys', {}, signal).then((answer) => show(keys, el('h2', {}, t('Keys')),
    answer.keys.length ? table([t('Key'), t('State'), t('Kind'), t('Age'), t('Limit'), t('Signatures'), t('Images'), t('Waiting'), ''], answer.keys.map(key_row), t('Keys'))
      : empty(t('No keys: nothing is signed.'))), failed(keys));
  get('sources', {}, signal).then((answer) => show(sources, el('h2', {}, t('Sources')),
    answer.sources.length ? table([t('Source'), t('Repository'), t('Images'), t('Badge')], answer.sources.map(source_row), t('Sources')) : empty(t('No sources.'))), failed(sources));
}
