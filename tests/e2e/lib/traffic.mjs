// Many sdk clients that call all the time, and what became of each call and session.
import { AsyncLocalStorage } from 'node:async_hooks';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { call, clientInfo, textOf } from './legacy.mjs';
import { sleep } from './wait.mjs';

const PERIOD = 100; // ms between the calls of one client
const CALL_LIMIT = 20_000;
const FAILURES_TOLD = 3; // in a report
const REFUSED_LIMIT = 10_000; // how long a client goes on trying when nobody listens
const BROKEN = ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'];

const codeOf = (error) => error?.cause?.code ?? error?.code ?? 'none';
const currentCall = new AsyncLocalStorage();

export class Traffic {
  #places;
  #clients = [];
  #turn = 0;
  #running = [];
  #stopped = false;
  #callLimit;

  /**
   * `places` are balancers ({url, life}); every request goes to the next of them. A place that is
   * never killed needs no `life`.
   */
  constructor(places, { callLimit = CALL_LIMIT } = {}) {
    this.#places = places;
    this.#callLimit = callLimit;
    this.answered = []; // calls of each client that were answered rightly
    this.resumed = 0; // of these, after their stream had broken
    this.retried = 0; // requests that found nobody and went on
    this.inFlight = []; // failures on a connection to a balancer that was killed
    this.lostCalls = []; // calls whose outcome nobody knows: their backend was lost during them
    this.failures = []; // any other
    this.statuses = new Map(); // "POST 200" → count
    this.initializes = 0;
  }

  /** Opens the sessions and begins to call. */
  async start(count) {
    for (let i = 0; i < count; i++) this.#clients.push(await this.#connect());
    this.answered = this.#clients.map(() => 0);
    this.#running = this.#clients.map((one, index) => this.#callOn(one, index));
  }

  /** Waits until every client's current call is over. */
  async stop() {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async close() {
    await this.stop();
    await Promise.all(this.#clients.map(({ client }) => client.close()));
  }

  /** Sessions whose client was told 404, or that have got another id. */
  get lost() {
    const forgotten = [...this.statuses].filter(([answer]) => answer.endsWith(' 404'));
    const changed = this.#clients.filter(({ transport, id }) => transport.sessionId !== id);
    return forgotten.reduce((sum, [, count]) => sum + count, 0) + changed.length;
  }

  report() {
    const kinds = Map.groupBy(this.inFlight, ({ code }) => code);
    const calls = this.answered.reduce((sum, count) => sum + count, 0);
    const { resumed, retried, initializes, lost, lostCalls } = this;
    const failures = this.failures.slice(0, FAILURES_TOLD);
    const inFlight = Object.fromEntries([...kinds].map(([kind, list]) => [kind, list.length]));
    const statuses = Object.fromEntries(this.statuses);
    const seen = { calls, resumed, retried, initializes, lost, inFlight, failures, statuses };
    return { ...seen, failed: this.failures.length, lostCalls: lostCalls.length };
  }

  async #connect() {
    const client = new Client(clientInfo);
    const transport = new StreamableHTTPClientTransport(new URL('/mcp', this.#places[0].url), {
      fetch: (target, init) => this.#fetch(target, init),
    });
    await client.connect(transport);
    return { client, transport, id: transport.sessionId };
  }

  async #callOn({ client }, index) {
    for (let serial = 0; !this.#stopped; serial++) {
      const began = Date.now();
      const message = `${index}-${serial}`;
      const exchanges = [];
      const echo = () => call(client, 'echo', { message }, { timeout: this.#callLimit });
      try {
        const text = textOf(await currentCall.run(exchanges, echo));
        if (text !== `Echo: ${message}`) throw new Error(`${message} got the reply ${text}`);
        this.answered[index] += 1;
        this.resumed += exchanges.some(({ broke }) => broke) ? 1 : 0;
      } catch (error) {
        this.#note({ error, exchanges, message, began });
      }
      await sleep(Math.max(0, began + PERIOD - Date.now()));
    }
  }

  /**
   * Expected is what breaks on a connection to a balancer that was killed, and what a balancer that
   * lives cannot know: it says so (`outcome`), or has to cut a reply that had begun.
   */
  #note({ error, exchanges, message, began }) {
    const broken = exchanges.find(({ broke, life }) => broke && life?.killed);
    if (broken) return this.inFlight.push({ code: broken.broke });
    const lost = exchanges.find(isLost);
    if (lost) return this.lostCalls.push({ message, began, ...lost });
    return this.failures.push(`${error} (${codeOf(error)}) after ${JSON.stringify(exchanges)}`);
  }

  async #fetch(target, init) {
    const method = init?.method ?? 'GET';
    if (init?.body?.includes?.('"method":"initialize"')) this.initializes += 1;
    const giveUp = Date.now() + REFUSED_LIMIT;
    for (;;) {
      const place = this.#places[this.#turn++ % this.#places.length];
      const exchange = { method, to: place.url, life: place.life };
      currentCall.getStore()?.push(exchange);
      try {
        const response = await fetch(new URL(new URL(target).pathname, place.url), init);
        exchange.status = response.status;
        const answer = `${method} ${response.status}`;
        this.statuses.set(answer, (this.statuses.get(answer) ?? 0) + 1);
        exchange.requestId = response.headers.get('x-request-id');
        return response.ok ? watched(response, exchange) : await refusal(response, exchange);
      } catch (error) {
        const code = codeOf(error);
        if (code !== 'ECONNREFUSED' || Date.now() > giveUp) {
          if (BROKEN.includes(code)) exchange.broke = code;
          throw error;
        }
        this.retried += 1;
        await sleep(20);
      }
    }
  }
}

const isLost = ({ broke, reason, outcome }) =>
  broke?.startsWith('body ') || (reason === 'backend_lost' && outcome === 'unknown');

/** Notes in `exchange` why the balancer refused, and hands on the same answer. */
async function refusal(response, exchange) {
  exchange.reason = response.headers.get('x-mcplb-reason');
  const { status, statusText, headers } = response;
  const text = await response.text();
  exchange.said = text.slice(0, 300);
  try {
    exchange.outcome = JSON.parse(text).error?.data?.outcome;
  } catch {
    // Not every answer is JSON.
  }
  return new Response(text, { status, statusText, headers });
}

/** Notes in `exchange` when the body of this response breaks. */
function watched(response, exchange) {
  if (!response.body) return response;
  const { readable, writable } = new TransformStream();
  response.body.pipeTo(writable).catch((error) => {
    if (BROKEN.includes(codeOf(error))) exchange.broke = `body ${codeOf(error)}`;
  });
  const { status, statusText, headers } = response;
  return new Response(readable, { status, statusText, headers });
}
