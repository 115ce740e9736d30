// Who did what, and whether the trail is whole.

import {el, show} from './dom.js';
import {get} from './daemon.js';
import {copy_button, empty, notice, table} from './parts.js';
import {address_of} from './runs.js';
import {full_time} from './text.js';
import {t} from './words.js';

const page_size = 50;

// When a day begins here, as times are shown; what is no day is for the daemon to refuse.
function start_of(day) {
  const start = new Date(`${day}T00:00`);
  return Number.isNaN(start.getTime()) ? day : start.toISOString();
}

function entry_row(entry) {
  return el('tr', {},
    el('td', {class: 'number'}, entry.number), el('td', {}, el('time', {datetime: entry.when}, full_time(entry.when))),
    el('td', {}, entry.who), el('td', {}, el('strong', {}, entry.deed)),
    el('td', {class: 'wide'}, entry.subject, entry.why ? el('div', {class: 'quiet'}, entry.why) : null),
    el('td', {}, entry.address || el('span', {class: 'quiet'}, '–')));
}

function verdict(found) {
  if (found.fault_count === 0) {
    return [notice('ok', t('{count} entries, each follows the one before.', {count: found.entries})),
      found.entries ? el('p', {class: 'reference'}, el('span', {class: 'quiet'}, t('Head')), el('code', {}, found.head), copy_button(found.head)) : null,
      el('p', {class: 'quiet'}, t('Write the head down elsewhere: `lighterman audit verify --head` tells later whether the trail was made anew.'))];
  }
  return [notice('error', t('The trail is broken in {count} places.', {count: found.fault_count})),
    el('ul', {class: 'lines', id: 'faults'}, found.faults.map((fault) => el('li', {}, fault)))];
}

function filter(label, name, value, type, seen) {
  const list = `seen-${name}`;
  return el('label', {class: 'field'}, el('span', {}, label), el('input', {type, name, value, list: seen ? list : null, autocomplete: 'off', 'data-key': name}),
    seen ? el('datalist', {id: list}, seen.map((each) => el('option', {value: each}))) : null);
}

export function audit_view(place, route, signal) {
  const query = route.query;
  const who = query.get('who') || '', deed = query.get('deed') || '', since = query.get('since') || '', cursor = query.get('cursor') || '';
  document.title = `${t('Audit')} · Lighterman`;
  const tools = el('form', {class: 'tools'}), verified = el('div', {role: 'status'}), list = el('div', {}, empty(t('Loading…')));
  const go = () => {
    const given = Object.fromEntries(new FormData(tools));
    location.hash = `#/audit${address_of(query, {...given, cursor: ''})}`;
  };
  tools.addEventListener('submit', (event) => {
    event.preventDefault();
    go();
  });
  const draw_tools = (entries) => {
    const seen = (field) => [...new Set(entries.map((entry) => entry[field]))].sort();
    const verify = el('button', {type: 'button', class: 'push', id: 'verify', 'data-key': 'verify', onclick: async () => {
      verify.disabled = true;
      await get('audit/verification', {}, signal).then((found) => show(verified, verdict(found)), (error) => signal.aborted || show(verified, notice('error', error.message)));
      verify.disabled = false;
    }}, t('Verify the trail'));
    show(tools, filter(t('Who'), 'who', who, 'search', seen('who')), filter(t('Deed'), 'deed', deed, 'search', seen('deed')),
      filter(t('Since'), 'since', since, 'date'), el('button', {type: 'submit', 'data-key': 'filter'}, t('Filter')), verify);
  };
  draw_tools([]);
  place.append(el('h1', {}, t('Audit')), tools, verified, list);
  get('audit', {who, deed, since: start_of(since), cursor, limit: page_size}, signal).then((page) => {
    if (document.activeElement?.form !== tools) draw_tools(page.entries);
    show(list,
      page.entries.length ? el('div', {id: 'audit'}, table([t('Number'), t('When'), t('Who'), t('Deed'), t('What'), t('From')], page.entries.map(entry_row), t('Audit'))) : empty(t('No entry is like this.')),
      el('nav', {class: 'pages', 'aria-label': t('Pages')},
        cursor ? el('a', {href: `#/audit${address_of(query, {cursor: ''})}`}, t('Newest')) : null,
        page.next ? el('a', {href: `#/audit${address_of(query, {cursor: page.next})}`, id: 'older'}, t('Older')) : null));
  }, (error) => signal.aborted || show(list, notice('error', error.message)));
}
