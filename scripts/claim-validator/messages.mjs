// Turns what the JSON Schema validator says into sentences for whoever wrote the claim: where, what, and what is allowed.
// A value that does not fit is never shown: it may be a password.

import * as hints from './hints.mjs';

/** Write a path as the API server does: spec.secretRefs[0].name */
export function written(path) {
  return path.reduce((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    return text === '' ? step : `${text}.${step}`;
  }, '');
}

/**
 * Turn all that is wrong with a claim into sentences. What is of the wrong type is told nothing else.
 * @param {object[]} errors of ajv
 * @param {object} schema of the claim
 * @param {unknown} claim what was judged, for a guess at what was meant
 * @returns {{path: (string|number)[], message: string}[]}
 */
export function explained(errors, schema, claim) {
  const mistyped = new Set(errors.filter(({ keyword }) => keyword === 'type').map(({ instancePath }) => instancePath));
  return errors
    .filter(({ keyword, instancePath }) => keyword === 'type' || !mistyped.has(instancePath))
    .map((error) => sentence(error, schema, claim));
}

function sentence(error, schema, claim) {
  const path = steps(error.instancePath);
  const field = fieldAt(schema, path);
  const value = path.reduce((part, step) => part?.[step], claim);
  const { params } = error;
  const about = field?.description ? ` (${field.description.replace(/\.$/, '')})` : '';
  switch (error.keyword) {
    case 'required': {
      const missing = [...path, params.missingProperty];
      const description = fieldAt(schema, missing)?.description;
      return { path: missing, message: `required, but missing${description ? ` (${description.replace(/\.$/, '')})` : ''}` };
    }
    case 'additionalProperties': {
      const known = field?.properties ?? {};
      const name = params.additionalProperty;
      const hint = hints.field(name, known, schema, path.length > 0 ? `${written(path)}.` : '');
      return { path: [...path, name], message: `unknown field; known here: ${Object.keys(known).join(', ')}${hint}` };
    }
    case 'enum':
      return { path, message: `must be one of ${params.allowedValues.map((value) => value || '""').join(', ')}` };
    case 'const':
      return { path, message: `must be ${params.allowedValue}` };
    case 'type': {
      const types = [params.type].flat();
      return { path, message: `must be of type ${types.join(' or ')}${about}${hints.type(types, value, field)}` };
    }
    case 'pattern':
      return { path, message: `must match ${params.pattern}${about}${hints.pattern(params.pattern, value, field)}` };
    case 'minimum':
      return { path, message: `must be at least ${params.limit}${about}` };
    case 'maximum':
      return { path, message: `must be at most ${params.limit}${about}` };
    case 'minLength':
      return { path, message: `must have at least ${params.limit} characters${about}` };
    case 'maxLength':
      return { path, message: `must have at most ${params.limit} characters${about}` };
    case 'minItems':
      return { path, message: `must have at least ${params.limit} items${about}` };
    case 'maxItems':
      return { path, message: `must have at most ${params.limit} items${about}` };
    case 'maxProperties':
      return { path, message: `must have at most ${params.limit} entries${about}` };
    default:
      return { path, message: `${error.message}${about}` };
  }
}

/** Steps of a JSON pointer; a number where the schema has a list. */
function steps(pointer) {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((step) => (/^\d+$/.test(step) ? Number(step) : step));
}

function fieldAt(schema, path) {
  return path.reduce((field, step) => {
    if (typeof step === 'number' && field?.items) return field.items;
    return field?.properties?.[step] ?? (typeof field?.additionalProperties === 'object' ? field.additionalProperties : undefined);
  }, schema);
}
