// The scripts by which sessions are kept and moved, run by a real Redis: what two balancers do to
// one record, in whatever order they come.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, describe, test } from 'node:test';
import { stopAll } from './lib/balancer.mjs';
import { Redis } from './lib/redis.mjs';

const source = readFileSync(
  new URL('../../../src/session/store_scripts.hpp', import.meta.url),
  'utf8',
);
const scripts = Object.fromEntries(
  [...source.matchAll(/redis::Script (\w+)\(R"\(([\s\S]*?)\)"\);/g)].map(([, name, text]) => [
    name,
    text,
  ]),
);

const KEYS = ['t:session:p:s-1', 't:tombstone:p:s-1', 't:expiry:p'];
const [RECORD, TOMBSTONE, EXPIRY] = KEYS;
const OPENING = ['initialize', '{}', 'capabilities', '{}'];

let redis;

before(async () => {
  redis = await Redis.start();
});
beforeEach(() => redis.cli('FLUSHALL'));
after(() => stopAll([redis]));

const run = (name, ...args) => redis.cli('EVAL', scripts[name], 3, ...KEYS, ...args);
const record = () => redis.cli('HGETALL', RECORD);
const find = () => run('find');

// By a balancer that knows the session's owner and generation; `extent` as the store's code says it.
const put = (owner, generation, extent, { gone = [], more = [], protocol = '', max = 79 } = {}) =>
  run(
    ...['put', 's-1', 60, 'lb', owner, generation, 77, '/mcp', 'h', protocol, '', ''],
    ...[extent, max, gone.length, ...gone, ...more],
  );

const move = (owner, generation, backendSession) =>
  run(
    ...['move', 's-1', 60, 'lb2', generation, 't:events', 'moved p s-1', 3],
    ...['owner', owner, 'generation', generation, 'backend_session', backendSession],
    ...['created', 77, 'path', '/elsewhere', ...OPENING],
  );

describe('what it takes to open a session again', () => {
  test('is written with the record, and learned later', async () => {
    assert.deepEqual(await put('a', 1, 'whole', { more: OPENING }), ['done']);
    assert.deepEqual(
      await put('a', 1, 'whole', { more: ['set_level', 'L', 'subscribed:u', 1] }),
      ['done'],
    );
    const { initialize, set_level: level, 'subscribed:u': subscribed } = await record();
    assert.deepEqual([initialize, level, subscribed], ['{}', 'L', '1']);
  });

  test('adds up over balancers, but for what is taken back', async () => {
    await put('a', 1, 'whole', { more: ['subscribed:one', 1] });
    await put('a', 1, 'whole', { more: ['subscribed:two', 1] });
    await put('a', 1, 'whole', { gone: ['subscribed:one'] });
    const names = Object.keys(await record()).filter((name) => name.startsWith('subscribed:'));
    assert.deepEqual(names, ['subscribed:two']);
  });

  test('has a bound', async () => {
    const names = async () => Object.keys(await record()).filter((name) => name.includes(':'));
    await put('a', 1, 'whole');
    const max = (await redis.cli('HLEN', RECORD)) + 1;
    await put('a', 1, 'whole', { max, more: ['subscribed:one', 1, 'subscribed:two', 1] });
    assert.deepEqual(await names(), ['subscribed:one']);
    await put('a', 1, 'whole', { max, more: ['subscribed:one', 2] });
    assert.equal((await record())['subscribed:one'], '2');
  });

  test('is asked for again when the record, or the opening, is lost', async () => {
    assert.deepEqual(await put('a', 1, 'seen'), ['absent']);
    await put('a', 1, 'whole');
    assert.deepEqual(await put('a', 1, 'seen'), ['done']);
    assert.deepEqual(await put('a', 1, 'seen, and movable'), ['absent']);
    await put('a', 1, 'whole', { more: OPENING });
    assert.deepEqual(await put('a', 1, 'seen, and movable'), ['done']);
  });

  test('is loaded with the rest', async () => {
    assert.deepEqual(await run('load'), ['absent']);
    await put('a', 1, 'whole', { more: OPENING });
    const [verdict, ...fields] = await run('load');
    assert.equal(verdict, 'present');
    assert.equal(fields[fields.indexOf('initialize') + 1], '{}');
    await redis.cli('SET', TOMBSTONE, 1);
    assert.deepEqual(await run('load'), ['deleted']);
  });
});

describe('of two who move a session', () => {
  test('the first one is right', async () => {
    await put('a', 1, 'whole', { more: OPENING });
    assert.deepEqual(await move('b', 2, 'at-b'), ['done']);
    const [verdict, owner, generation, ...rest] = await move('c', 2, 'at-c');
    assert.deepEqual([verdict, owner, generation, rest.at(-1)], ['other', 'b', '2', 'at-b']);
    const stored = await record();
    assert.deepEqual([stored.owner, stored.backend_session, stored.path], ['b', 'at-b', '/mcp']);
    assert.equal(stored.instance, 'lb2');
  });

  test('neither revives what was deleted', async () => {
    await redis.cli('SET', TOMBSTONE, 1);
    assert.deepEqual(await move('b', 2, 'at-b'), ['deleted']);
    assert.deepEqual(await record(), {});
  });

  test('each writes a record that is missing whole', async () => {
    assert.deepEqual(await move('b', 2, 'at-b'), ['done']);
    const [verdict, owner, generation] = await find();
    assert.deepEqual([verdict, owner, generation], ['present', 'b', '2']);
    assert.equal((await record()).initialize, '{}');
    assert.ok((await redis.cli('TTL', RECORD)) > 0);
    assert.equal(await redis.cli('ZCARD', EXPIRY), 1);
  });

  test('who still believes in the old owner is told, and changes nothing', async () => {
    await move('b', 2, 'at-b');
    for (const extent of ['whole', 'seen']) {
      assert.deepEqual(await put('a', 1, extent), ['other']);
    }
    assert.equal((await record()).owner, 'b');
  });
});
