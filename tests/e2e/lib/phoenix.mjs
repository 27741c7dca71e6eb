// A balancer that is killed and comes back on its port.
import { startMcplb } from './mcplb.mjs';
import { reservedPort } from '../raw/lib/ports.mjs';

export class Phoenix {
  #config;
  #balancer;

  /** `config` as for startMcplb, without listeners. */
  static async start(name, config) {
    const phoenix = new Phoenix();
    const address = `127.0.0.1:${await reservedPort()}`;
    phoenix.url = `http://${address}`;
    phoenix.#config = { instance: name, listeners: [{ name: 'main', address }], ...config };
    await phoenix.start();
    return phoenix;
  }

  async start() {
    /** One from start to kill; what was sent to it belongs to it. */
    this.life = { killed: false };
    this.#balancer = await startMcplb({ config: this.#config });
  }

  /** Does not wait for anything: what happens at this moment is what the tests are about. */
  async kill() {
    this.life.killed = true;
    await this.#balancer.kill();
  }

  logs = () => this.#balancer.logs();
  stop = () => this.#balancer.stop();
}
