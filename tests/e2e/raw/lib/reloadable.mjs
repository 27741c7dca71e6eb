// A balancer whose configuration file is written anew while it runs.

import assert from 'node:assert/strict';
import { configOf, pool } from './balancer.mjs';
import { command } from './operator.mjs';
import { Folder, Process } from './process.mjs';

export class Reloadable {
  #folder = new Folder();
  #process;

  // `config` as the file has it: see fileOf().
  static async start(config) {
    const one = new Reloadable();
    one.write(config);
    one.#process = new Process(['run', '-c', one.file]);
    try {
      one.url = `http://${await one.#process.address('main')}`;
      one.adminUrl = `http://${await one.#process.address('admin')}`;
    } catch (error) {
      one.#process.signal('SIGKILL');
      one.#folder.remove();
      throw error;
    }
    return one;
  }

  // An object, or the text itself.
  write(config) {
    this.file = this.#folder.file('mcplb.yaml', config);
  }

  logs = () => this.#process.output;
  signal = (name) => this.#process.signal(name);

  // Two ways to the same; each resolves when the balancer has said how it went. `expected` is
  // whether the file is taken.
  async reload(way, expected = true) {
    return way === 'SIGHUP' ? this.#bySignal(expected) : this.#byCommand(expected);
  }

  async #bySignal(expected) {
    const from = this.logs().length;
    this.signal('SIGHUP');
    const said = () =>
      this.logs()
        .slice(from)
        .split('\n')
        .slice(0, -1)
        .filter((line) => /reload/.test(line));
    await this.#process.until(() => said().length > 0, 'a line about the reload');
    const text = said().join('\n');
    if (expected) assert.doesNotMatch(text, /fail|refus|invalid|warn|error/i);
    return text;
  }

  async #byCommand(expected) {
    const { status, text } = await command(this, '/api/reload');
    assert.equal(status === 200, expected, `${status} ${text}`);
    return text;
  }

  async stop() {
    try {
      const exit = await this.#process.stop();
      assert.deepEqual(exit, { code: 0, signal: null }, this.logs().slice(-2000));
    } finally {
      this.#folder.remove();
    }
  }
}

// What a file says of plain servers that are named after themselves; `more` is of the pool.
export const fileOf = (servers, more = {}, settings = {}) =>
  configOf(
    pool(
      servers.map(({ url, name, weight }) => ({ url, id: name, ...(weight && { weight }) })),
      { sessions: { on_unknown: 'not_found' }, heartbeat: '0s', ...more },
    ),
    settings,
  );
