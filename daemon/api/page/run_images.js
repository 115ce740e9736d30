// The images of a run: what was built, where it went, which layers travelled, what was signed.

import {el, show} from './dom.js';
import {copy_button, empty, notice} from './parts.js';
import {layers_part} from './layers.js';
import {promote_button} from './promote.js';
import {short_digest, size} from './text.js';
import {t} from './words.js';

export function images_of(run) {
  return [...new Set(run.stages.map((stage) => stage.image).filter(Boolean))];
}

const done = (stages, name) => stages.find((stage) => stage.name === name && stage.state === 'done')?.result;

export function built_part(built) {
  if (!built) return null;
  if (built.reused) {
    return el('p', {class: 'quiet'}, t('not built: run {run} built the same files in the same way', {run: built.reused.run}), ' ',
      el('a', {href: `#/runs/${built.reused.run}`}, `#${built.reused.run}`));
  }
  const why = el('details', {}, el('summary', {}, built.because || t('why each step was built')),
    el('ul', {class: 'steps'}, (built.explained || []).map((step) => el('li', {}, el('code', {}, step.step), ' ',
      el('span', {class: 'quiet'}, step.cached ? t('cached') : `${step.seconds.toFixed(1)} s, ${step.why}`)))));
  return el('div', {}, built_line(built), (built.explained || []).length ? why : null);
}

function built_line(built) {
  return el('p', {class: 'quiet'}, t('built by {builder} on {engine}, {cached} of {steps} steps cached, {size}',
    {builder: built.builder, engine: built.engine, cached: built.cached_steps ?? 0, steps: built.steps ?? 0, size: size(built.size_bytes)}));
}

export function tags_part(tags) {
  return el('ul', {class: 'tags'}, (tags || []).map((tag) =>
    el('li', {class: `tag tag-${tag.fate}`, title: tag.reason || null}, el('code', {}, tag.tag), ' ', t(`tag:${tag.fate}`), tag.reason ? el('span', {class: 'quiet'}, ` ${tag.reason}`) : null)));
}

function target_part(stage) {
  const where = stage.name.slice('publish:'.length);
  if (stage.state !== 'done') {
    return el('div', {class: 'target'}, el('h3', {}, where), stage.state === 'failed' ? notice('error', stage.result?.error || t('Publishing failed.')) : empty(t('being published…')));
  }
  const image = stage.result;
  return el('div', {class: 'target'},
    el('h3', {class: 'reference'}, el('code', {}, image.reference), copy_button(image.reference), el('span', {class: 'buttons push'},
      el('a', {href: `#/why/${encodeURIComponent(image.reference.split('@')[1])}`}, t('Why?')), promote_button(image))),
    tags_part(image.tags), layers_part(image.layers));
}

export function base_line(base) {
  const signed = base.signed_by === undefined ? null : base.signed_by.length === 0 ? t('signed by nobody we know') : t('signed by {who}', {who: base.signed_by.join(', ')});
  return el('li', {}, el('code', {}, base.image), base.digest ? el('span', {class: 'quiet', title: base.digest}, ` ${short_digest(base.digest)}`) : null,
    signed ? el('span', {class: base.signed_by.length ? 'good' : 'bad'}, ` ${signed}`) : null, base.unknown ? el('span', {class: 'quiet'}, ` (${base.unknown})`) : null);
}

export function proof_line(action) {
  const body = action.body || {};
  const what = action.kind === 'sign' ? t('signature') : t(`attach:${body.kind}`);
  const claims = body.claims ? Object.entries(body.claims).map(([name, value]) => `${name}=${value}`).join(' ') : '';
  return el('li', {}, el('span', {class: `state state-${action.state === 'done' ? 'succeeded' : action.state === 'failed' ? 'failed' : 'queued'}`}, t(`action:${action.state}`)), ' ', el('strong', {}, what),
    body.format ? ` ${body.format}` : '', body.key ? [' ', t('by key {key}', {key: body.key})] : '', claims ? el('code', {class: 'quiet'}, ` ${claims}`) : null,
    el('span', {class: 'quiet'}, ` ${t('asked for by {plugin}', {plugin: action.plugin})}`), action.why ? el('span', {class: 'bad'}, ` ${action.why}`) : null);
}

function image_part(run, image) {
  const stages = run.stages.filter((stage) => stage.image === image);
  const bases = done(stages, 'bases')?.bases || done(stages, 'engine')?.bases || [];
  const scan = done(stages, 'scan');
  const gate = done(stages, 'gate');
  const proofs = (run.actions || []).filter((action) => action.image === image && ['sign', 'attach'].includes(action.kind));
  const targets = stages.filter((stage) => stage.name.startsWith('publish:'));
  return el('section', {class: 'card'},
    el('h2', {}, t('Image {name}', {name: image})),
    built_part(done(stages, 'engine')),
    gate?.denied ? notice('error', gate.denied) : null,
    scan ? el('p', {}, t('Scan'), ': ', el('a', {href: `#/runs/${run.id}/findings?image=${encodeURIComponent(image)}`}, scan.summary || t('done'))) : null,
    targets.map(target_part),
    targets.length === 0 ? empty(gate?.denied ? t('Nothing was published.') : t('Nothing is published yet.')) : null,
    proofs.length ? [el('h3', {}, t('Signatures and attestations')), el('ul', {class: 'lines'}, proofs.map(proof_line))] : null,
    bases.length ? [el('h3', {}, t('Built on')), el('ul', {class: 'lines'}, bases.map(base_line))] : null);
}

export function images_tab(place, run) {
  const skipped = (now) => (done(now.stages, 'plan')?.skipped || []).map((each) => notice('info', t('Image {image} was skipped: {why}', each)));
  const draw = (now) => {
    const names = images_of(now);
    show(place, skipped(now), names.length ? names.map((name) => image_part(now, name)) : empty(t('No image was built yet.')));
  };
  draw(run);
  return {update: draw};
}
