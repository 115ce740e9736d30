// The page's language: English is written in the code, other languages are dictionaries of it.

import {chinese} from './words_zh.js';

const dictionaries = {zh: chinese};
// Words that are not what stands behind their kind ("state:failed").
const english = {
  'stage:engine': 'build', 'stage:on_published': 'after',
  'tag:held_back': 'held back', 'attach:sbom': 'SBOM', 'origin:catch_up': 'catching up',
  'severity:CRITICAL': 'critical', 'severity:HIGH': 'high', 'severity:MEDIUM': 'medium', 'severity:LOW': 'low', 'severity:UNKNOWN': 'unknown',
};
const place = 'lighterman.language';

function remembered() {
  try {
    return localStorage.getItem(place);
  } catch {
    return null;  // the browser keeps nothing for us
  }
}

let current = remembered() || (/^zh\b/i.test(navigator.language) ? 'zh' : 'en');

export const language = () => current === 'zh' ? 'zh-CN' : 'en-GB';

export function switch_language() {
  current = current === 'zh' ? 'en' : 'zh';
  try {
    localStorage.setItem(place, current);
  } catch {
    // Then it holds until the page is left.
  }
}

// The words for `phrase`; {name} stands for a value.
export function t(phrase, values = {}) {
  const words = dictionaries[current]?.[phrase] ?? english[phrase] ?? phrase.replace(/^[a-z]+:/, '');
  return words.replace(/\{(\w+)\}/g, (whole, name) => name in values ? String(values[name]) : whole);
}
