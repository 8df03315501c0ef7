import { expect, it } from 'vitest';
import { inCells, told } from './heatmap.js';

const measure = (/** @type {string} */ text) => 6 * text.length; // px a character, at 11 px
const shorten = (/** @type {string} */ text, /** @type {number} */ width) =>
  measure(text) <= width ? text : `${text.slice(0, Math.max(0, Math.floor(width / 6) - 1))}…`;
const words = { words: true, measure, shorten };
const numbers = { words: false, measure, shorten };

it('writes all in one size, which fits the widest', () => {
  expect(inCells(['e', 'of'], { width: 40, height: 20 }, words)).toEqual({ font: 11, texts: ['e', 'of'] });
  expect(inCells(['0.25', '0.5'], { width: 22, height: 20 }, numbers)?.font).toBe(8);
});

it('cuts texts that are too long for the smallest size, and never a number', () => {
  const cell = { width: 20, height: 20 };
  expect(inCells(['e', 'return'], cell, words)).toEqual({ font: 8, texts: ['e', 'ret…'] });
  expect(inCells(['0.5', '0.1234'], cell, numbers)).toBeNull();
});

it('writes nothing where it could not be read', () => {
  expect(inCells(['e'], { width: 40, height: 10 }, words)).toBeNull();
  expect(inCells(['e'], { width: 8, height: 20 }, words)).toBeNull();
  expect(inCells(['e'], { width: 10, height: 20 }, words)).not.toBeNull();
  expect(inCells(['1'], { width: 10, height: 20 }, numbers)).toBeNull();
});

it('says the text of a cell before its number, and no text where there is none', () => {
  const cell = { value: 0.43216, down: 'row layer 1', across: 'next token t' };
  expect(told({ ...cell, text: 'e' })).toBe('“e”\n0.4322\nrow layer 1\nnext token t');
  expect(told({ ...cell, text: undefined })).toBe('0.4322\nrow layer 1\nnext token t');
  expect(told({ ...cell, text: '' })).toBe('0.4322\nrow layer 1\nnext token t');
});
