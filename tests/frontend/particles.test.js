import { describe, expect, it } from 'vitest';
import data from '../../frontend/src/messages/data.js';
import paper from '../../frontend/src/messages/paper.js';
import sweep from '../../frontend/src/messages/sweep.js';
import gallery from '../../frontend/src/messages/gallery.js';
import help from '../../frontend/src/messages/help.js';
import { MESSAGES } from '../../frontend/src/messages/index.js';
import { particles } from '../../frontend/src/lib/particles.js';

describe('Korean particles', () => {
  it.each([
    ['학습률은(는)', '학습률은'],
    ['은닉층의 개수은(는)', '은닉층의 개수는'],
    ['3은(는) 1이(가) 10을(를)', '3은 1이 10을'],
    ['2은(는) 5이(가) 9을(를)', '2는 5가 9를'],
    ['0.4을(를) 0.07과(와)', '0.4를 0.07과'],
    ['η이(가) L을(를)', 'η가 L을'],
    ['“사과”은(는) “귤”은(는)', '“사과”는 “귤”은'],
    ['10⁻⁴이(가)', '10⁻⁴이'],
    ['4%을(를)', '4%를'],
  ])('follow the last sound: %s', (given, said) => expect(particles(given)).toBe(said));

  it.each([
    ['스텝 7(으)로', '스텝 7로'],
    ['스텝 3(으)로', '스텝 3으로'],
    ['스텝 4(으)로', '스텝 4로'],
    ['Adam(으)로', 'Adam으로'],
  ])('say 로 after a vowel and after ㄹ: %s', (given, said) => expect(particles(given)).toBe(said));

  it('leave a text without them as it is', () => {
    expect(particles('가(나) 다')).toBe('가(나) 다');
    expect(particles('')).toBe('');
  });

  it('never stand in one form only after a name or number that is filled in', () => {
    const bare = /\{\w+\}(은|는|이|가|을|를|과|와|으로|로)(?=[\s.,)]|$)/;
    for (const [key, [, korean]] of Object.entries({
      ...MESSAGES,
      ...data,
      ...gallery,
      ...help,
      ...paper,
      ...sweep,
    }))
      expect(bare.test(korean), `${key}: ${korean}`).toBe(false);
  });
});
