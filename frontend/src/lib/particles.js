/** Korean particles that follow a number or a name: the form depends on its last sound. */

const PAIRS = /** @type {const} */ ({
  '은(는)': ['은', '는'],
  '이(가)': ['이', '가'],
  '을(를)': ['을', '를'],
  '과(와)': ['과', '와'],
  '(으)로': ['으로', '로'],
});
const BOTH = /(은\(는\)|이\(가\)|을\(를\)|과\(와\)|\(으\)로)/g;
const UNSPOKEN = /[\s()[\]{}<>"'“”‘’*_`~!?.,:;…]/;
const RIEUL = 8; // of Unicode's 28 final consonants, 0 being none

/** Final consonants of characters as read aloud: 영 일 이 삼 사 오 육 칠 팔 구, letters by name. */
const READ = new Map([
  ...Object.entries({ 0: 1, 1: RIEUL, 2: 0, 3: 1, 4: 0, 5: 0, 6: 1, 7: RIEUL, 8: RIEUL, 9: 0 }),
  ...Object.entries({ l: RIEUL, m: 1, n: 1, r: RIEUL, ε: 1, '∞': 0, '%': 0, '✓': 0, '✗': 0, '½': RIEUL }),
  ...[...'⁰¹²³⁴⁵⁶⁷⁸⁹'].map((digit) => /** @type {[string, number]} */ ([digit, 1])), // 제곱
]);

/**
 * The final consonant of a text as it is read out: 0 none, 8 ㄹ, else some other.
 * @param {string} text
 */
function final(text) {
  const last = [...text].findLast((character) => !UNSPOKEN.test(character)) ?? '';
  const code = last.charCodeAt(0) - 0xac00;
  if (code >= 0 && code < 11172) return code % 28;
  return READ.get(last.toLowerCase()) ?? 0;
}

/**
 * A Korean text whose `은(는)`, `이(가)`, `을(를)`, `과(와)` and `(으)로` are resolved to the form that fits the word before.
 * @param {string} text
 * @returns {string}
 */
export function particles(text) {
  let said = '';
  for (const part of text.split(BOTH)) {
    const pair = PAIRS[/** @type {keyof typeof PAIRS} */ (part)];
    if (!pair) said += part;
    else {
      const sound = final(said);
      said += pair[sound === 0 || (sound === RIEUL && part === '(으)로') ? 1 : 0];
    }
  }
  return said;
}
