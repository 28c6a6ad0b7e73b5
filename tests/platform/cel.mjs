// Evaluates CEL expressions about an object: node cel.mjs FOLDER < [{expression, object}, …], with the modules of the
// installed validator in FOLDER. Prints the list of results; an expression that cannot be evaluated is an error.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const require = createRequire(join(process.argv[2], 'package.json'));
const { Environment } = await import(pathToFileURL(require.resolve('@marcbachmann/cel-js')));
const environment = new Environment().registerVariable('object', 'dyn');

/** JSON's integers are integers to CEL. */
function celValue(value) {
  if (Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(celValue);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, celValue(item)]));
}

let input = '';
for await (const chunk of process.stdin) input += chunk;
const results = JSON.parse(input).map(({ expression, object }) =>
  environment.evaluate(expression, { object: celValue(object) }),
);
console.log(JSON.stringify(results));
