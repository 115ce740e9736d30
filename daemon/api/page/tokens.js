// Who may come in: tokens, when each was used, new ones, and old ones that let nobody in any more.

import {el, show} from './dom.js';
import {get, post} from './daemon.js';
import {ask} from './dialog.js';
import {copy_button, empty, notice, table, toast} from './parts.js';
import {session} from './session.js';
import {time} from './text.js';
import {t} from './words.js';

const roles = ['viewer', 'trigger', 'operator', 'admin'];
const looks = {active: 'succeeded', expired: 'denied', revoked: 'skipped'};

// The only time anybody sees it: it goes with the dialog.
function show_made(made) {
  const dialog = el('dialog', {'aria-label': t('The token of {name}', made), onclose: () => dialog.remove()},
    el('h2', {}, t('The token of {name}', made)),
    el('p', {}, t('It is shown this once. The daemon keeps only its hash.')),
    el('p', {class: 'reference'}, el('code', {id: 'made-token'}, made.token), copy_button(made.token)),
    el('div', {class: 'buttons'}, el('button', {type: 'button', class: 'main', onclick: () => dialog.close()}, t('I have it'))));
  document.body.append(dialog);
  dialog.showModal();
}

function ask_for_one(done) {
  const first = !session.caller;  // there is none yet: the daemon wants an admin's, without end
  ask(t('New token'), '', [
    {name: 'name', label: t('Name'), required: true, hint: t('who holds it; the audit trail calls them so')},
    {name: 'role', label: t('Role'), value: first ? 'admin' : 'trigger', options: roles},
    {name: 'sources', label: t('Sources'), hint: t('all; or some: shop, docs')},
    {name: 'expires', label: t('Expires in'), value: first ? 'never' : '90d', hint: t('30d, a date, or never')},
    {name: 'reason', label: t('Reason')},
  ], t('Make it'), async ({name, role, sources, expires, reason}) => {
    const body = {name: name.trim(), role, expires: expires.trim(), reason};
    const some = sources.split(',').map((each) => each.trim()).filter(Boolean);
    if (some.length) body.sources = some;
    show_made(await post('tokens', body));
    done();
  });
}

function token_row(token, done) {
  const ours = token.state === 'active' && token.created;
  return el('tr', {},
    el('td', {}, el('strong', {}, token.name)),
    el('td', {}, t(`role:${token.role}`)),
    el('td', {}, token.sources.length ? token.sources.join(', ') : el('span', {class: 'quiet'}, t('all'))),
    el('td', {}, el('span', {class: `state state-${looks[token.state] || 'queued'}`}, t(`token:${token.state}`))),
    el('td', {}, token.expires ? time(token.expires) : el('span', {class: 'quiet'}, t('never'))),
    el('td', {}, token.used ? time(token.used) : el('span', {class: 'quiet'}, token.created ? t('never') : '–')),
    el('td', {}, token.created ? [time(token.created), ' ', el('span', {class: 'quiet'}, token.creator)] : el('span', {class: 'quiet'}, t('of the configuration'))),
    el('td', {}, ours ? el('button', {type: 'button', class: 'danger small', 'data-key': `revoke ${token.name}`, onclick: () => ask(t('Revoke the token of {name}?', token), t('It lets nobody in any more, at once and for good.'), [{name: 'reason', label: t('Reason')}], t('Revoke'), async (given) => {
      await post(`tokens/${encodeURIComponent(token.name)}/revoke`, given);
      toast('ok', t('Done.'));
      done();
    }, 'danger')}, t('Revoke')) : null));
}

export function tokens_view(place, route, signal) {
  document.title = `${t('Tokens')} · Lighterman`;
  const list = el('div', {}, empty(t('Loading…')));
  const load = () => get('tokens', {}, signal).then(({tokens}) => {
    const order = {active: 0, expired: 1, revoked: 2};
    tokens.sort((a, b) => order[a.state] - order[b.state]);
    show(list, tokens.length ? el('div', {id: 'tokens'}, table([t('Name'), t('Role'), t('Sources'), t('State'), t('Expires'), t('Last used'), t('Made'), ''], tokens.map((token) => token_row(token, load)), t('Tokens')))
      : session.caller ? empty(t('There are none.')) : notice('warn', t('There are none: whoever reaches the daemon from this machine may do everything.')));
  }, (error) => signal.aborted || show(list, notice('error', error.message)));
  place.append(el('h1', {}, t('Tokens')),
    el('div', {class: 'tools'}, el('button', {type: 'button', id: 'new-token', class: 'main', onclick: () => ask_for_one(load)}, t('New token…'))), list);
  load();
}
