// From an image, as somebody finds it in a registry or a cluster, to what made it.

import {el, show} from './dom.js';
import {get} from './daemon.js';
import {copy_button, digest_link, empty, fact, notice, ref_chip, state_badge} from './parts.js';
import {base_line, built_part, proof_line, tags_part} from './run_images.js';
import {kinds} from './replicas.js';
import {said, said_list} from './policy.js';
import {scan_part} from './images.js';
import {commit_of, full_time, safe_link, time} from './text.js';
import {t} from './words.js';
import {why_form} from './why_form.js';

const row = (name, ...value) => el('div', {}, el('dt', {}, name), el('dd', {}, ...value));

function name_line(name) {
  return el('li', {}, el('code', {}, name.repository), ' ',
    name.tags.length ? name.tags.map((tag) => [el('span', {class: 'tag'}, tag), ' ']) : el('span', {class: 'quiet'}, t('under no tag now')));
}

function signature_line(each) {
  return el('li', {}, each.key ? el('strong', {}, each.key) : el('code', {title: each.key_hint}, each.key_hint.slice(0, 12)), ` ${each.form} `,
    el('code', {class: 'quiet'}, each.predicate_type), ' ', el('span', {class: 'quiet'}, each.repository), ' ', time(each.when));
}

function replica_line(each) {
  return el('li', {}, el('span', {class: `state state-${kinds[each.state] || each.state}`}, t(`replica:${each.state}`)), ' ', el('code', {}, each.target), ' ',
    each.tags.map((tag) => [el('span', {class: 'tag'}, tag), ' ']), el('span', {class: 'quiet'}, each.rule), ' ', time(each.ended || each.created),
    each.why ? el('span', {class: 'bad'}, ` ${each.why}`) : null);
}

const more = (text) => el('p', {class: 'quiet'}, text);
const list = (head, lines, rest = null) => lines.length ? [el('h3', {}, head), el('ul', {class: 'lines'}, lines), rest] : null;

function image_part(why) {
  return el('section', {class: 'card', id: 'why-image'},
    el('h2', {class: 'reference'}, t(`kind:${why.kind}`), el('code', {}, why.digest), copy_button(why.digest)),
    why.found_by === 'config' ? notice('info', t('Asked for by the id that engines show: registries know the image by the digest above.')) : null,
    el('dl', {class: 'sheet'},
      row(t('Published'), why.names.length ? el('ul', {}, why.names.map(name_line)) : t('nowhere'), why.more_tags ? more(t('There are more tags.')) : null),
      row(t('Scan'), scan_part(why), why.scan?.database ? el('span', {class: 'quiet'}, ` ${t('with a database of {time}', {time: full_time(why.scan.database)})}`) : null)),
    list(t('Signatures'), why.signatures.map(signature_line), why.more_signatures ? more(t('There are older signatures.')) : null),
    list(t('Carried to'), why.replicas.map(replica_line), why.more_replicas ? more(t('It was carried before, too.')) : null));
}

function part_lines(making, part) {
  const findings = `#/runs/${making.run.id}/findings?image=${encodeURIComponent(part.image)}`;
  return [
    part.platform ? el('h3', {}, part.platform, ' ', digest_link(part.digest)) : null,
    built_part(part.built),
    part.scan ? el('p', {}, t('Scan'), ': ', el('a', {href: findings}, part.scan.summary || t('done')), el('span', {class: 'quiet'}, ` ${part.scan.scanner || ''}`)) : null,
    list(t('Built on'), part.bases.map(base_line)),
    part.denied ? notice('error', part.denied) : null,
    part.decision && said(part.decision).length ? said_list(said(part.decision)) : null];
}

function making_part(making) {
  const run = making.run, event = run.event, commit = commit_of(run);
  const planned = making.planned ? said(making.planned) : [];
  return el('section', {class: 'card making'},
    el('h2', {}, el('a', {class: 'row-link', href: `#/runs/${run.id}`}, t('run {id}', {id: run.id})), ' ', event.source, ' / ', making.image, ' ', ref_chip(event.ref), ' ', state_badge(run.state)),
    making.title ? el('p', {class: 'run-message'}, making.title) : null,
    run.allowed ? notice('warn', t('Allowed by {who}: {reason}', run.allowed)) : null,
    el('dl', {class: 'facts'},
      fact(t('Commit'), commit ? safe_link(making.commit_page, commit.slice(0, 10)) : '–'),
      making.author ? fact(t('By'), making.author) : null,
      fact(t('Came by'), t(`origin:${event.origin}`), event.forge ? ` (${event.forge})` : ''),
      fact(t('Came'), time(run.created)),
      event.reason ? fact(t('Reason'), event.reason) : null,
      making.index ? fact(t('Part of'), digest_link(making.index)) : null),
    planned.length ? said_list(planned) : null,
    making.parts.map((part) => part_lines(making, part)),
    making.published.map((each) => [el('h3', {class: 'reference'}, el('code', {}, each.reference)), tags_part(each.tags)]),
    list(t('Signatures and attestations'), making.actions.filter((action) => ['sign', 'attach'].includes(action.kind)).map(proof_line)));
}

export function why_view(place, route, signal) {
  const asked = route.parts[1] || '';
  document.title = `${t('What made it?')} · Lighterman`;
  const body = el('div', {}, asked ? empty(t('Loading…')) : el('p', {class: 'empty'}, t('A digest as a registry or a cluster shows it (12 of its digits do), or a tag, leads to the run that made the image.')));
  place.append(el('h1', {}, t('What made an image')), why_form(asked), body);
  if (!asked) return;
  get('why', {image: asked}, signal).then((why) => show(body, image_part(why), why.runs.map(making_part),
    why.runs.length ? null : notice('info', t('The run that made it is no longer kept.')), why.more_runs ? more(t('Older runs made it too.')) : null),
  (error) => signal.aborted || show(body, notice('error', error.message)));
}
