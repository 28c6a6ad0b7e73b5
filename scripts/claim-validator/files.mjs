// Which files are read: those that are named, standard input, and in folders everything that ends like a manifest.

import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const MANIFEST = /\.(ya?ml|json)$/;
const STANDARD_INPUT = '-';

/**
 * @typedef {{name: string, text: string, folder?: string}} Source `folder` is the one that it was found in
 */

/**
 * Read what the command line names.
 * @param {string[]} places files, folders, `-` for standard input
 * @returns {Source[]}
 */
export function sources(places) {
  return places.flatMap((place) => {
    if (place === STANDARD_INPUT) return [{ name: '<stdin>', text: readFileSync(0, 'utf8') }];
    if (!statSync(place).isDirectory()) return [source(place)];
    const found = manifests(place).sort();
    if (found.length === 0) throw new Error(`${place} has no file that ends in .yaml, .yml or .json`);
    return found.map((file) => ({ ...source(file), folder: place }));
  });
}

function manifests(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return manifests(path);
    return entry.isFile() && MANIFEST.test(entry.name) ? [path] : [];
  });
}

function source(file) {
  return { name: file, text: readFileSync(file, 'utf8') };
}
