import {el} from './dom.js';
import {post} from './daemon.js';
import {notice} from './parts.js';
import {session} from './session.js';
import {t} from './words.js';

export function login_view(place, done) {
  const trouble = el('div', {role: 'alert'});
  const token = el('input', {type: 'password', name: 'token', id: 'token', required: true, autocomplete: 'current-password', spellcheck: 'false'});
  const go = el('button', {type: 'submit', class: 'main'}, t('Log in'));
  place.append(el('form', {class: 'login', onsubmit: async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      session.take(await post('session', {token: token.value.trim()}));
      done();
    } catch (error) {
      trouble.replaceChildren(notice('error', error.status === 401 ? t('This token is not known here.') : error.status === 429 ? t('Too many attempts. Wait a minute.') : error.message));
      go.disabled = false;
      token.select();
    }
  }},
  el('h1', {}, t('Log in')),
  el('label', {class: 'field wide', for: 'token'}, el('span', {}, t('Token')), token),
  el('p', {class: 'quiet'}, t('One that `lighterman token new` made, or one of the daemon\'s configuration. It is not kept in the browser.')),
  trouble, go));
  token.focus();
}
