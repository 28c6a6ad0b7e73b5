// What the API server does with a claim and JSON Schema has no words for: defaults, unique items and keys of lists, CEL rules.
// All of it is read from the x-kubernetes-* keywords of the published schema, so there is no second list of rules.

import { Environment } from '@marcbachmann/cel-js';

/**
 * Fill in defaults as the API server does before it validates: a null where there is a default counts as not set.
 * @param {object} schema
 * @param {unknown} value
 * @returns {unknown} a copy
 */
export function withDefaults(schema, value) {
  if (Array.isArray(value)) return value.map((item) => (schema.items ? withDefaults(schema.items, item) : item));
  if (value === null || typeof value !== 'object') return value;
  const filled = { ...value };
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if ((filled[name] === undefined || filled[name] === null) && field.default !== undefined) {
      filled[name] = structuredClone(field.default);
    }
    if (filled[name] !== undefined) filled[name] = withDefaults(field, filled[name]);
  }
  return filled;
}

/**
 * Find what breaks a rule in a claim that fits the schema.
 * @param {object} schema
 * @param {unknown} value the claim with its defaults
 * @returns {{path: (string|number)[], message: string}[]}
 */
export function violations(schema, value, path = []) {
  const found = [...duplicates(schema, value, path), ...brokenRules(schema, value, path)];
  if (Array.isArray(value) && schema.items) {
    value.forEach((item, index) => found.push(...violations(schema.items, item, [...path, index])));
  } else if (value !== null && typeof value === 'object') {
    for (const [name, item] of Object.entries(value)) {
      const field = schema.properties?.[name] ?? schema.additionalProperties;
      if (field && typeof field === 'object') found.push(...violations(field, item, [...path, name]));
    }
  }
  return found;
}

function duplicates(schema, value, path) {
  const keys = schema['x-kubernetes-list-map-keys'];
  const unique = schema['x-kubernetes-list-type'] === 'set';
  if (!(keys || unique) || !Array.isArray(value)) return [];
  const seen = new Set();
  const found = [];
  value.forEach((item, index) => {
    const identity = JSON.stringify(unique ? item : keys.map((key) => item[key]));
    if (seen.has(identity)) {
      const named = unique ? `value ${identity}` : keys.map((key) => `${key} ${JSON.stringify(item[key])}`).join(', ');
      found.push({ path: [...path, index], message: `duplicate: there is one with ${named} before it` });
    }
    seen.add(identity);
  });
  return found;
}

function brokenRules(schema, value, path) {
  const found = [];
  for (const { rule, message, fieldPath } of schema['x-kubernetes-validations'] ?? []) {
    const below = fieldPath ? fieldPath.split('.').filter(Boolean) : [];
    try {
      if (environment.evaluate(rule, { self: celValue(value) })) continue;
      found.push({ path: [...path, ...below], message: message ?? `breaks the rule ${rule}` });
    } catch (error) {
      found.push({ path: [...path, ...below], message: `the rule ${rule} cannot be evaluated: ${error.message}` });
    }
  }
  return found;
}

/** CEL tells integers from doubles; JSON's integers are integers here, as they are for the API server. */
function celValue(value) {
  if (Number.isInteger(value)) return BigInt(value);
  if (Array.isArray(value)) return value.map(celValue);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, celValue(item)]));
  }
  return value;
}

const UNITS = {
  '': 0n, k: 3n, M: 6n, G: 9n, T: 12n, P: 15n, E: 18n,
};
const BINARY_UNITS = {
  Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n,
};

/** A Kubernetes quantity, exact to a thousandth. */
class Quantity {
  constructor(text) {
    const match = /^(\d+)(?:\.(\d{1,3}))?(m|[kMGTPE]|[KMGTPE]i)?$/.exec(text);
    if (!match) throw new Error(`${JSON.stringify(text)} is not a quantity`);
    const [, whole, fraction = '', unit = ''] = match;
    const thousandths = BigInt(whole + fraction.padEnd(3, '0'));
    if (unit === 'm') this.thousandths = thousandths / 1000n;
    else if (unit in BINARY_UNITS) this.thousandths = thousandths << BINARY_UNITS[unit];
    else this.thousandths = thousandths * 10n ** UNITS[unit];
  }
}

const environment = new Environment()
  .registerVariable('self', 'dyn')
  .registerType('Quantity', Quantity)
  .registerFunction('quantity(string): Quantity', (text) => new Quantity(text))
  .registerFunction('Quantity.compareTo(Quantity): int', ({ thousandths: a }, { thousandths: b }) => {
    if (a === b) return 0n;
    return a < b ? -1n : 1n;
  });
