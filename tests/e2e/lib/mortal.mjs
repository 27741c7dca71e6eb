// A plain server that is killed, frozen or stopped, and comes back on its port.
import { startEverything } from './everything.mjs';
import { reservedPort } from '../raw/lib/ports.mjs';

export class MortalReplica {
  #replica;

  static async start(name) {
    const mortal = new MortalReplica();
    mortal.name = name;
    mortal.port = await reservedPort();
    mortal.id = `127.0.0.1:${mortal.port}`; // as a backend
    mortal.url = `http://${mortal.id}`;
    mortal.deaths = []; // when each life, or each time of hanging, was over, in ms
    await mortal.start();
    return mortal;
  }

  /** A new life: nothing is left of the sessions of the one before. */
  async start() {
    this.#replica = await startEverything('streamableHttp', this.name, { PORT: this.port });
  }

  /** SIGKILL; when this resolves the process is gone and its port is closed. */
  async kill() {
    await this.#replica.stop();
    this.deaths.push(Date.now());
  }

  /** It keeps its connections and says nothing, as a machine that hangs. */
  freeze() {
    this.#replica.child.signal('SIGSTOP');
  }

  thaw() {
    this.#replica.child.signal('SIGCONT');
    this.deaths.push(Date.now());
  }

  /** SIGTERM, as an operator would do after a drain. */
  async end() {
    await this.#replica.child.end('SIGTERM');
    this.deaths.push(Date.now());
  }

  stop = () => this.#replica.stop();
}

/** `count` of them, named replica-1, replica-2, … */
export async function startMortals(count = 3) {
  const names = Array.from({ length: count }, (_, index) => `replica-${index + 1}`);
  const list = await Promise.all(names.map((name) => MortalReplica.start(name)));
  return {
    list,
    urls: list.map(({ url }) => url),
    named: (name) => list.find((mortal) => mortal.name === name),
    stop: () => Promise.all(list.map((mortal) => mortal.stop())),
  };
}
