// The reference server of the MCP project, unchanged: a plain server with sessions in its memory.
import { inSuite } from './node.mjs';
import { startReplica, startReplicas } from './replicas.mjs';

const file = inSuite('node_modules/@modelcontextprotocol/server-everything/dist/index.js');

/** `mode` is `streamableHttp` (endpoint /mcp) or `sse` (endpoints /sse and /message). */
export const startEverything = (mode = 'streamableHttp', name = 'replica-1', env = {}) =>
  startReplica(name, file, [mode], env);

export const startEverythingReplicas = (mode = 'streamableHttp', count = 3) =>
  startReplicas(count, file, [mode]);
