// Questions before something is done. The browser's own dialog: Escape, focus and all.

import {el} from './dom.js';
import {t} from './words.js';
import {notice, toast} from './parts.js';

// Asks for `fields` ([{name, label, required, value, options}]) and performs `act` with what was
// given; what goes wrong is told in the dialog, which then stays.
export function ask(title, text, fields, verb, act, kind = '') {
  const trouble = el('div', {role: 'alert'});
  const inputs = fields.map((field) => el('label', {class: 'field wide'}, el('span', {}, field.label),
    field.options
      ? el('select', {name: field.name}, field.options.map((option) => el('option', {value: option, selected: option === field.value}, option)))
      : el('input', {name: field.name, required: field.required, value: field.value || '', placeholder: field.hint, autocomplete: 'off', maxlength: '500'})));
  const go = el('button', {type: 'submit', class: `main ${kind}`}, verb);
  const form = el('form', {method: 'dialog'}, el('h2', {}, title), text ? el('p', {}, text) : null, inputs, trouble,
    el('div', {class: 'buttons'},
      el('button', {type: 'button', onclick: () => dialog.close()}, t('Back')), go));
  const dialog = el('dialog', {'aria-label': title, onclose: () => dialog.remove()}, form);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    go.disabled = true;
    try {
      await act(Object.fromEntries(new FormData(form)));
      dialog.close();
    } catch (error) {
      trouble.replaceChildren(notice('error', error.message));
      go.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  (form.querySelector('input, select') || go).focus();
}

// For what needs no question.
export async function perform(act, done) {
  try {
    await act();
    if (done) toast('ok', done);
  } catch (error) {
    toast('error', error.message);
  }
}

export function show_keys() {
  const keys = [
    ['/', t('Search or filter')], ['j / k', t('Next and previous row')], ['n / p', t('Next and previous match in the log')],
    ['f', t('Follow the log')], ['g', t('First line of the log')], ['G', t('Last line of the log')], ['?', t('These keys')],
  ];
  const dialog = el('dialog', {'aria-label': t('Keyboard'), onclose: () => dialog.remove()},
    el('h2', {}, t('Keyboard')),
    el('dl', {class: 'keys'}, keys.map(([key, text]) => [el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)])),
    el('div', {class: 'buttons'}, el('button', {type: 'button', class: 'main', onclick: () => dialog.close()}, t('Close'))));
  document.body.append(dialog);
  dialog.showModal();
}
