// Sentinels of the tests' own, which watch one master that they call "main".

import { Redis } from './redis.mjs';
import { poll } from './waiting.mjs';

// Agreeing on who is dead, and on who is next, takes its time.
const LONG = 60_000;

export class Sentinels {
  // `folder` is a Folder of process.mjs. Resolves when they know each other and the replica.
  static async start(master, folder) {
    const sentinels = new Sentinels();
    sentinels.all = [];
    for (const name of ['one', 'two', 'three']) {
      const redis = await Redis.away({ first: [configOf(master, folder, name), '--sentinel'] });
      await redis.start();
      sentinels.all.push(redis);
    }
    for (const one of sentinels.all) await poll(() => isReady(one), 'sentinels', { limit: LONG });
    const addresses = sentinels.all.map(({ port }) => `127.0.0.1:${port}`);
    sentinels.url = `redis+sentinel://${addresses.join(',')}/main`;
    return sentinels;
  }

  // When all of them call this server the master.
  async agreeOn({ port }) {
    const named = async (one) => {
      const address = await one.cli('SENTINEL', 'get-master-addr-by-name', 'main');
      return Number(address[1]) === port;
    };
    for (const one of this.all) await poll(() => named(one), 'the failover', { limit: LONG });
  }

  async stop() {
    for (const one of this.all) await one.stop();
  }
}

// They write into this file.
const configOf = (master, folder, name) =>
  folder.file(
    `${name}.conf`,
    [
      `sentinel monitor main 127.0.0.1 ${master.port} 2`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 5000',
      '',
    ].join('\n'),
  );

async function isReady(sentinel) {
  const words = await sentinel.cli('SENTINEL', 'MASTER', 'main');
  const known = Array.isArray(words)
    ? Object.fromEntries(words.flatMap((word, i) => (i % 2 ? [] : [[word, words[i + 1]]])))
    : words;
  return known['num-slaves'] === '1' && known['num-other-sentinels'] === '2';
}
