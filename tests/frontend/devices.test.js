import { describe, expect, it } from 'vitest';
import { choiceOf, choicesOf, isDevice, kindOf, whyChosen } from '../../frontend/src/lib/devices.js';

describe('what a new run can be asked to train on', () => {
  it('is nothing where there is a CPU alone', () => {
    expect(choicesOf([])).toEqual([]);
    expect(choicesOf(['cpu'])).toEqual([]);
  });
  it('is each device, and of several GPUs the least busy', () => {
    expect(choicesOf(['cpu', 'mps'])).toEqual(['auto', 'cpu', 'mps']);
    expect(choicesOf(['cpu', 'cuda:0'])).toEqual(['auto', 'cpu', 'cuda:0']);
    expect(choicesOf(['cpu', 'cuda:0', 'cuda:1'])).toEqual(['auto', 'cpu', 'cuda', 'cuda:0', 'cuda:1']);
    expect(choicesOf(['cpu', 'cuda'])).toEqual(['auto', 'cpu', 'cuda']); // a cluster
  });
  it('is found for what a link asks', () => {
    const choices = choicesOf(['cpu', 'cuda:0']);
    expect(['cuda', 'cuda:3', 'cpu', 'mps'].map((asked) => choiceOf(asked, choices))).toEqual([
      'cuda:0',
      'cuda:0',
      'cpu',
      'auto',
    ]);
  });
});

it('the names are those of the server', () => {
  expect(['auto', 'cpu', 'cuda', 'cuda:0', 'cuda:12', 'mps'].every(isDevice)).toBe(true);
  expect(['', 'tpu', 'cuda:', 'cuda:01', 'cuda:100', 'mps:0', 'CPU'].some(isDevice)).toBe(false);
  expect(kindOf('cuda:1')).toBe('cuda');
});

describe('why a device was chosen', () => {
  it('is how much faster it is than the other', () => {
    const rates = { cpu: 100, cuda: 450 };
    expect(whyChosen({ device: 'cuda:1', rates })).toEqual({
      ...{ key: 'device.faster', name: 'cuda:1', other: 'cpu', times: 4.5 },
    });
    expect(whyChosen({ device: 'cpu', rates: { cpu: 4000, cuda: 1000 } })).toMatchObject({
      ...{ key: 'device.faster', name: 'cpu', other: 'cuda', times: 4 },
    });
  });
  it('is that the other is not worth it', () => {
    const why = whyChosen({ device: 'cpu', rates: { cpu: 100, cuda: 105 } });
    expect(why).toMatchObject({ key: 'device.hardly', times: 1.05 });
  });
  it('is what the other could not do', () => {
    const failed = (/** @type {string} */ why) =>
      whyChosen({ device: 'cpu', rates: { cpu: 1 }, failed: { mps: why } });
    expect(failed('float64')).toMatchObject({ key: 'device.failed.float64', other: 'mps' });
    expect(failed('ValueError: no')).toMatchObject({ key: 'device.failed' });
  });
  it('is nothing where it was asked for', () => {
    expect(whyChosen(null)).toBeNull();
    expect(whyChosen({ device: 'cpu', rates: { cpu: 3 } })).toBeNull();
  });
});
