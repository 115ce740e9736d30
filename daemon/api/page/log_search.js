// Lines of a log that have a text in them. The daemon looks through it piece by piece; what is found
// is counted up to a limit.

import {bare} from './ansi.js';
import {get} from './daemon.js';

const most_found = 5000;

export class Search {
  constructor(run, tell) {
    Object.assign(this, {run, tell});
    this.clear();
  }

  clear() {
    this.stop?.abort();
    Object.assign(this, {stop: null, wanted: '', found: [], at: -1, busy: false, full: false});
  }

  async begin(text) {
    this.clear();
    this.wanted = text.toLowerCase();
    if (!text) return this.tell();
    this.stop = new AbortController();
    const signal = this.stop.signal;
    this.busy = true;
    this.tell();
    try {
      for (let after = 0; after !== null && !signal.aborted;) {
        const page = await get(`runs/${this.run}/log`, {contains: text, after, limit: 1000}, signal);
        for (const line of page.lines) if (this.found.length < most_found) this.found.push(line.number);
        this.full = this.found.length === most_found;
        // Of a run that goes on, what comes later is looked at as it comes.
        after = this.full || page.next === null || page.next >= page.last ? null : page.next;
        this.tell();
      }
    } catch {
      // What was found so far is shown.
    }
    if (signal.aborted) return;
    this.busy = false;
    this.tell();
  }

  add(line) {
    if (!this.wanted || this.full || line.kind === 'progress' || line.number <= (this.found.at(-1) ?? 0)) return;
    if (!this.busy && bare(line.text).toLowerCase().includes(this.wanted)) this.found.push(line.number);
  }

  // The next match after the present one, or the one before it; 0: there is none.
  step(by) {
    if (this.found.length === 0) return 0;
    this.at = this.at < 0 ? (by > 0 ? 0 : this.found.length - 1) : (this.at + by + this.found.length) % this.found.length;
    return this.found[this.at];
  }

  // The first match at or after a line is the present one.
  from(number) {
    const at = this.found.findIndex((each) => each >= number);
    this.at = at < 0 ? this.found.length - 1 : at;
    return this.found[this.at] || 0;
  }
}
