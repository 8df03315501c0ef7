import { describe, expect, it } from 'vitest';
import { keysFor, readLine, readNumber } from '../../frontend/src/lib/numbers.js';

describe('a number that is typed', () => {
  it.each([
    ['3.1623e-4', 3.1623e-4],
    ['1e-3', 1e-3],
    ['1E-3', 1e-3],
    ['.05', 0.05],
    ['5.', 5],
    ['0,05', 0.05],
    [',5', 0.5],
    ['0,050', 0.05],
    ['1,5', 1.5],
    ['1.000', 1],
    ['−0.5', -0.5],
    ['–0,5', -0.5],
    ['+2', 2],
    ['０.０５', 0.05],
    ['１，５', 1.5],
    [' 7 ', 7],
    ['1.000,5', 1000.5],
    ['1,000.5', 1000.5],
    ['1 000', 1000],
    ['1\u202f000', 1000],
    ['1\u00a0234,5', 1234.5],
    ["12'345", 12345],
    ['1,000,000', 1e6],
    ['1.000.000', 1e6],
    ['3,2e-4', 3.2e-4],
  ])('%s is %d', (text, value) => expect(readNumber(text)).toEqual({ value, reason: '' }));

  it.each([
    ['1,000', 1000],
    ['1 000', 1000],
    ['64', 64],
    ['1e3', 1000],
    ['12,345,678', 12345678],
  ])('%s is the whole number %d', (text, value) =>
    expect(readNumber(text, { whole: true })).toEqual({ value, reason: '' }),
  );

  it.each([
    ['', 'empty'],
    ['  ', 'empty'],
    ['5%', 'percent'],
    ['５％', 'percent'],
    ['1,000', 'ambiguous'],
    ['12,345', 'ambiguous'],
    ['x', 'none'],
    ['1 2', 'none'],
    ['1 00', 'none'],
    ['1,00,000', 'none'],
    ['1.2.3', 'none'],
    ['1,2,3', 'none'],
    ['1.000,5,5', 'none'],
    ['10.00,5', 'none'],
    ['e5', 'none'],
    ['1e', 'none'],
    ['Infinity', 'none'],
    ['1e999', 'none'],
    ['0x10', 'none'],
    ['--1', 'none'],
    ['.', 'none'],
  ])('“%s” is refused: %s', (text, reason) => expect(readNumber(text).reason).toBe(reason));

  it('is whole where that is wanted, and within its range', () => {
    expect(readNumber('2.5', { whole: true }).reason).toBe('whole');
    expect(readNumber('1.000', { whole: true }).reason).toBe('ambiguous');
    expect(readNumber('11', { low: 0, high: 10 }).reason).toBe('range');
    expect(readNumber('10', { low: 0, high: 10 }).value).toBe(10);
    expect(readNumber('-1', { low: 0, high: 10 }).reason).toBe('range');
  });
});

describe('the keys of a phone', () => {
  it('have what is needed: a minus, an e, or neither', () => {
    expect(keysFor({ type: 'integer', minimum: -2 })).toBe('text');
    expect(keysFor({ type: 'number', minimum: 1e-5, 'x-log': true })).toBe('text');
    expect(keysFor({ type: 'number', minimum: 0 })).toBe('decimal');
    expect(keysFor({ type: 'integer', minimum: 1 })).toBe('numeric');
  });
});

describe('a line that is written', () => {
  const line = [
    [0, 0.1],
    [500, 0.01],
  ];
  it.each([
    '0 0.1, 500 0.01',
    '0 0.1; 500 0.01',
    '0 0,1; 500 0,01',
    '0 0,1;500 0,01;',
    '0 0,1, 500 0,01',
    '0,0.1 500,0.01',
    '0 0.1\n500 0.01',
    '0 0,1 500 0,01',
    '0 .1, 500 1e-2',
  ])('%s', (text) => expect(readLine(text)).toEqual(line));
  it('may have steps in groups of three', () => {
    expect(readLine('0 0,1; 1,000 0,01')).toEqual([
      [0, 0.1],
      [1000, 0.01],
    ]);
  });
  it('may have one point', () => expect(readLine('0 0,1')).toEqual([[0, 0.1]]));
  it.each(['', ',', '0', '0 x', '0 0.1 5', '0 1 2, 3 4', '0.5 1'])('“%s” is none', (text) =>
    expect(readLine(text)).toBeNull(),
  );
  it('is handed on with its steps as they are, for the server to judge', () => {
    expect(readLine('500 0.01, 0 0.1')).toEqual([
      [500, 0.01],
      [0, 0.1],
    ]);
  });
});
