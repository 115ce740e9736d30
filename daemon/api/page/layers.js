// The layers of a published image: how large, how they came to the registry, and what made them.

import {el} from './dom.js';
import {table} from './parts.js';
import {short_digest, size} from './text.js';
import {t} from './words.js';

const fates = ['sent', 'mounted', 'present'];

export function bytes_of(layers) {
  const sums = {sent: 0, mounted: 0, present: 0};
  for (const layer of layers) sums[layer.fate] = (sums[layer.fate] || 0) + (layer.blob.size || 0);
  return sums;
}

export function layers_part(layers) {
  if (!layers?.length) return null;
  const sums = bytes_of(layers);
  const bar = el('div', {class: 'layers-bar', role: 'img', 'aria-label': fates.map((fate) => `${t(`fate:${fate}`)} ${size(sums[fate])}`).join(', ')},
    layers.map((layer) => {
      const part = el('span', {class: `layer layer-${layer.fate}`, title: `${t(`fate:${layer.fate}`)} · ${size(layer.blob.size)}\n${layer.instruction || layer.blob.digest}`});
      part.style.flexGrow = String(layer.blob.size || 1);
      return part;
    }));
  const legend = el('ul', {class: 'legend'}, fates.filter((fate) => layers.some((layer) => layer.fate === fate)).map((fate) =>
    el('li', {}, el('span', {class: `swatch layer-${fate}`, 'aria-hidden': 'true'}), t(`fate:${fate}`), ' ', el('strong', {}, size(sums[fate])))),
  el('li', {class: 'quiet'}, t('{saved} of {all} not sent', {saved: size(sums.mounted + sums.present), all: size(sums.sent + sums.mounted + sums.present)})));
  const rows = layers.map((layer) => el('tr', {},
    el('td', {}, el('span', {class: `fate fate-${layer.fate}`, title: layer.reason || null}, t(`fate:${layer.fate}`))),
    el('td', {class: 'number'}, size(layer.blob.size)),
    el('td', {}, el('code', {title: layer.blob.digest}, short_digest(layer.blob.digest))),
    el('td', {class: 'instruction'}, el('code', {}, layer.instruction || ''), layer.reason ? el('span', {class: 'quiet'}, ` ${layer.reason}`) : null)));
  return el('div', {class: 'layers'}, bar, legend,
    el('details', {'data-key': `layers ${layers[0].blob.digest}`, open: layers.length <= 12}, el('summary', {}, t('{count} layers', {count: layers.length})),
      table([t('Way'), t('Size'), t('Digest'), t('Dockerfile step')], rows, t('Layers'))));
}
