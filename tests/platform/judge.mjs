// Judges many claims, each by its own schema, in one process: node judge.mjs FOLDER < [{schema, claim}, …]
// with the modules of the installed validator in FOLDER. Prints for each claim the list of complaints.

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2];
const require = createRequire(join(folder, 'package.json'));
const Ajv = require('ajv/dist/2020').default;
const addKeywords = require('./keywords.cjs');
const { explained, written } = await import(pathToFileURL(join(folder, 'messages.mjs')));
const { violations, withDefaults } = await import(pathToFileURL(join(folder, 'rules.mjs')));

let input = '';
for await (const chunk of process.stdin) input += chunk;
const verdicts = JSON.parse(input).map(({ schema, claim }) => {
  const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false, strictRequired: false });
  addKeywords(ajv);
  const value = withDefaults(schema, claim);
  const validate = ajv.compile(schema);
  const problems = validate(value)
    ? violations(schema, value)
    : validate.errors.map((error) => explained(error, schema));
  return problems.map(({ path, message }) => `${written(path)}: ${message}`);
});
console.log(JSON.stringify(verdicts));
