// Runs the binary with an exact command line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Signal } from './waiting.mjs';

export class Process {
  #signal = new Signal();

  constructor(args, { env = {}, cwd } = {}) {
    assert.ok(process.env.MCPLB_BIN, 'MCPLB_BIN names the binary');
    this.stdout = '';
    this.stderr = '';
    this.exit = null; // {code, signal}
    this.child = spawn(process.env.MCPLB_BIN, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const name of ['stdout', 'stderr']) {
      this.child[name].setEncoding('utf8').on('data', (text) => {
        this[name] += text;
        this.#signal.changed();
      });
    }
    this.child.on('error', (error) => this.#over({ code: null, signal: String(error) }));
    this.child.on('close', (code, signal) => this.#over({ code, signal }));
  }

  #over(exit) {
    this.exit ??= exit;
    this.#signal.changed();
  }

  get output() {
    return this.stdout + this.stderr;
  }

  until(check, what, limit) {
    return this.#signal.until(
      () => check(this.output),
      () => `${what}; output: ${this.output}`,
      limit,
    );
  }

  ended(limit = 15_000) {
    return this.#signal.until(
      () => this.exit ?? undefined,
      () => `the process to end; output: ${this.output}`,
      limit,
    );
  }

  signal(name) {
    this.child.kill(name);
  }

  // The address that a listener (or "admin") printed.
  async address(listener, limit = 15_000) {
    return this.until(
      (output) => {
        const line = output
          .split('\n')
          .find(
            (text) =>
              /\blistening\b/.test(text) &&
              new RegExp(`listener"?[=:] ?"?${listener}\\b`).test(text),
          );
        if (line) return /\baddress"?[=:] ?"?([^\s",}]+)/.exec(line)[1];
        if (this.exit) throw new Error(`ended with ${JSON.stringify(this.exit)}: ${output}`);
        return false;
      },
      `listener ${listener} to listen`,
      limit,
    );
  }

  async stop() {
    if (!this.exit) this.signal('SIGTERM');
    try {
      const exit = await this.ended();
      assert.doesNotMatch(this.stderr, /Sanitizer|runtime error:/);
      return exit;
    } catch (error) {
      this.signal('SIGKILL');
      throw error;
    }
  }
}

// Runs to the end: {code, signal, stdout, stderr}.
export async function run(args, options) {
  const one = new Process(args, options);
  const exit = await one.ended().catch((error) => {
    one.signal('SIGKILL');
    throw error;
  });
  return { ...exit, stdout: one.stdout, stderr: one.stderr, output: one.output };
}

export class Folder {
  constructor() {
    this.path = mkdtempSync(join(tmpdir(), 'mcplb-raw-'));
  }

  file(name, content) {
    const path = join(this.path, name);
    if (content !== undefined)
      writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content, null, 2));
    return path;
  }

  remove() {
    rmSync(this.path, { recursive: true, force: true });
  }
}
