// A log's lines, got when they are looked at and forgotten when they are many: however long the log
// is, only so much of it is here.

import {get} from './daemon.js';

const chunk = 250;
const most_characters = 6e6;

const chunk_of = (number) => Math.floor((number - 1) / chunk);

export class Lines {
  constructor(run, signal, tell) {
    this.run = run;
    this.signal = signal;
    this.tell = tell;
    this.chunks = new Map();  // in the order of their last use
    this.asked = new Set();
    this.characters = 0;
    this.trouble = '';
  }

  find(number) {
    const lines = this.chunks.get(chunk_of(number));
    return lines?.get(number) || null;
  }

  put(line) {
    const at = chunk_of(line.number);
    let lines = this.chunks.get(at);
    if (!lines) this.chunks.set(at, lines = new Map());
    if (!lines.has(line.number)) this.characters += line.text.length + 100;
    lines.set(line.number, line);
    this.trim(at);
  }

  trim(kept) {
    for (const [at, lines] of this.chunks) {
      if (this.characters <= most_characters) return;
      if (at === kept || this.wanted?.has(at)) continue;
      for (const line of lines.values()) this.characters -= line.text.length + 100;
      this.chunks.delete(at);
    }
  }

  // Gets what is missing of these numbers.
  want(numbers) {
    const missing = new Set(), wanted = new Set();
    for (const number of numbers) {
      wanted.add(chunk_of(number));
      if (!this.find(number)) missing.add(chunk_of(number));
    }
    this.wanted = wanted;
    for (const at of wanted) {
      const lines = this.chunks.get(at);
      if (!lines) continue;
      this.chunks.delete(at);
      this.chunks.set(at, lines);
    }
    for (const at of missing) this.load(at);
  }

  async load(at) {
    if (this.asked.has(at) || this.asked.size >= 4) return;
    this.asked.add(at);
    try {
      const page = await get(`runs/${this.run}/log`, {after: at * chunk, limit: chunk}, this.signal);
      for (const line of page.lines) this.put(line);
      this.trouble = '';
    } catch (error) {
      if (this.signal.aborted) return;
      this.trouble = error.message;
    } finally {
      // Not at once after a failure.
      if (this.trouble) setTimeout(() => this.asked.delete(at), 2000);
      else this.asked.delete(at);
    }
    this.tell();
  }
}
