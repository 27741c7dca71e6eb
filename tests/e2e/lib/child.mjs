// A child process whose output is kept, and which never outlives the test.
import { spawn } from 'node:child_process';
import { within } from './wait.mjs';

const running = new Set();

process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => process.exit(1));
}

export class Child {
  #listeners = new Set();

  constructor(command, args, { env = {}, cwd } = {}) {
    this.stdout = '';
    this.stderr = '';
    this.exit = undefined; // {code, signal} once the process has ended
    this.process = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.process);
    for (const name of ['stdout', 'stderr']) {
      this.process[name].setEncoding('utf8').on('data', (text) => {
        this[name] += text;
        this.#tell();
      });
    }
    this.ended = new Promise((resolve) => {
      const end = (exit) => {
        if (this.exit) return;
        running.delete(this.process);
        this.process.stdout.destroy();
        this.process.stderr.destroy();
        this.exit = exit;
        this.#tell();
        resolve(exit);
      };
      this.process.on('error', (error) => {
        this.stderr += `${error}\n`;
        end({ code: null, signal: null });
      });
      this.process.on('close', (code, signal) => end({ code, signal }));
      // A grandchild may hold the pipes open: then the last output is not waited for.
      this.process.on('exit', (code, signal) => setTimeout(end, 500, { code, signal }));
    });
  }

  #tell() {
    for (const listener of this.#listeners) listener();
  }

  get output() {
    return this.stdout + this.stderr;
  }

  /** Waits until `find(output)` returns something truthy; fails at once if the process ends. */
  async awaitOutput(ms, what, find) {
    let listener;
    const seen = new Promise((resolve, reject) => {
      listener = () => {
        const found = find(this.output);
        if (found) resolve(found);
        else if (this.exit) reject(new Error(`${what}: process ended\n${this.output}`));
      };
      this.#listeners.add(listener);
      listener();
    });
    try {
      return await within(ms, `${what}, output so far:\n${this.output}`, seen);
    } finally {
      this.#listeners.delete(listener);
    }
  }

  signal(name) {
    if (!this.exit) this.process.kill(name);
  }

  /** Sends a signal and waits for the end; kills when that takes longer than `ms`. */
  async end(name = 'SIGTERM', ms = 5_000) {
    this.signal(name);
    try {
      return await within(ms, `end after ${name}`, this.ended);
    } catch (error) {
      this.signal('SIGKILL');
      await this.ended;
      throw error;
    }
  }

  async kill() {
    this.signal('SIGKILL');
    return this.ended;
  }
}
