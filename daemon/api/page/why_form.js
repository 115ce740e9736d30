// Where somebody writes or pastes which image they ask about.

import {el} from './dom.js';
import {t} from './words.js';

export const why_address = (image) => `#/why/${encodeURIComponent(image)}`;

export function why_form(asked) {
  const input = el('input', {type: 'search', name: 'image', value: asked, placeholder: t('digest, or registry/name:tag'), 'aria-label': t('Image'), autocomplete: 'off', spellcheck: 'false', class: 'long'});
  return el('form', {class: 'tools', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    if (input.value.trim()) location.hash = why_address(input.value.trim());
  }}, input, el('button', {type: 'submit', id: 'why'}, t('What made it?')));
}
