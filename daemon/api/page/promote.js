// Another name or place for a published image: the same bytes.

import {el, show} from './dom.js';
import {get, post} from './daemon.js';
import {ask} from './dialog.js';
import {notice} from './parts.js';
import {kinds, way} from './replicas.js';
import {session} from './session.js';
import {t} from './words.js';

const look_again = 1000;

// A dialog that goes on telling how far the image is, until that is over or somebody closes it.
function follow(id) {
  const body = el('div', {role: 'status'});
  const dialog = el('dialog', {'aria-label': t('Promote'), onclose: () => {
    clearInterval(again);
    dialog.remove();
  }}, el('h2', {}, t('Promote')), body,
  el('div', {class: 'buttons'}, el('a', {class: 'push', href: '#/replicas', onclick: () => dialog.close()}, t('Replicas')), el('button', {type: 'button', class: 'main', onclick: () => dialog.close()}, t('Close'))));
  const look = () => get(`replications/${id}`).then((each) => {
    if (!['waiting', 'running'].includes(each.state)) clearInterval(again);
    show(body, el('p', {}, el('span', {class: `state state-${kinds[each.state] || each.state}`, id: 'promoted'}, t(`replica:${each.state}`)), ' ', el('code', {}, each.target), ' ', each.tags.map((tag) => [el('span', {class: 'tag'}, tag), ' '])),
      el('div', {}, way(each)), each.why ? notice('error', each.why) : null, each.notes.map((note) => el('p', {class: 'quiet'}, note)));
  }, (error) => show(body, notice('error', error.message)));
  const again = setInterval(look, look_again);
  document.body.append(dialog);
  dialog.showModal();
  look();
}

export function promote_button(image) {
  if (!session.may_all('operator')) return null;
  const [repository] = image.reference.split('@');
  const set = image.tags.find((tag) => tag.fate !== 'held_back');
  return el('button', {type: 'button', class: 'small promote', 'data-key': `promote ${image.reference}`, onclick: () => ask(t('Promote'), t('The same image gets another name: its bytes, signatures and SBOM are carried there.'), [
    {name: 'target', label: t('Repository'), value: repository, required: true},
    {name: 'tag', label: t('Tag'), value: set?.tag || '', required: true},
    {name: 'reason', label: t('Reason'), hint: t('Whoever looks at the image later wants to know it')},
  ], t('Promote'), async ({target, tag, reason}) => {
    const made = await post('replications', {source: image.reference, target: target.trim(), tags: [tag.trim()], reason});
    follow(made.id);
  })}, t('Promote…'));
}
