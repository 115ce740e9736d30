// All that a push needs, tried by the daemon: what was seen, and how to mend it.

import {el, show} from './dom.js';
import {get, post} from './daemon.js';
import {notice} from './parts.js';
import {session} from './session.js';
import {time} from './text.js';
import {t} from './words.js';

const look_again = 700;
const looks = {ok: 'succeeded', doubtful: 'denied', broken: 'failed'};

function look_line(look) {
  return el('li', {class: 'look'}, el('span', {class: `state state-${looks[look.health]}`}, t(`health:${look.health}`)),
    el('strong', {}, look.what), el('span', {}, look.seen, look.advice ? el('div', {class: 'advice'}, t('To mend it: {advice}', look)) : null));
}

function verdict(report) {
  if (report.state === 'running') return notice('info', t('Looking at engines, registries, sources…'));
  if (report.why) return notice('error', report.why);
  return report.well ? notice('ok', t('Pushes can be built and published.')) : notice('error', t('Something is broken, and pushes will fail.'));
}

export function checkup_part(place, signal) {
  if (!session.may_all('operator')) return;
  const found = el('div', {'aria-live': 'polite'});
  const go = el('button', {type: 'button', id: 'checkup', onclick: begin}, t('Try all that a push needs'));
  place.append(el('h2', {}, t('Doctor')), el('p', {}, go), found);
  let seen = '', again = 0;
  signal.addEventListener('abort', () => clearTimeout(again));

  function draw(report) {
    go.disabled = report.state === 'running';
    const now = JSON.stringify(report);
    if (now !== seen && report.state !== 'none') {
      show(found, verdict(report), report.looks.length ? el('ul', {class: 'card lines looks', id: 'looks'}, report.looks.map(look_line)) : null,
        report.ended ? el('p', {class: 'quiet'}, t('tried'), ' ', time(report.ended)) : null);
    }
    seen = now;
    if (report.state === 'running' && !signal.aborted) again = setTimeout(load, look_again);
  }
  const failed = (error) => {
    go.disabled = false;
    if (!signal.aborted) show(found, notice('error', error.message));
  };
  function load() {
    return get('checkup', {}, signal).then(draw, failed);
  }
  function begin() {
    go.disabled = true;
    // Somebody else may have begun one: then that is the one to follow.
    post('checkup').then(draw, (error) => error.status === 409 ? load() : failed(error));
  }
  load();
}
