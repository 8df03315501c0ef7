/** Challenges: how a run does at one. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'challenges.close': ['Put the challenges aside', '도전 접기'],
  'challenges.begin': ['Begin', '시작'],
  'challenges.hint': ['Hint', '힌트'],
  'challenges.next': ['Next challenge', '다음 도전'],
  'challenges.way': ['{stars} until step {n}.', '{n}스텝까지 해내면 {stars}.'],
  'challenges.late': [
    'This run has had its {n} steps: begin again, or branch from an earlier step.',
    '이 실행은 정해진 {n}스텝을 넘겼습니다. 다시 시작하거나 앞선 스텝에서 분기하세요.',
  ],
  'challenges.broken': [
    'This run does not count: its settings are not those of the goal. “Begin” sets them.',
    '목표의 조건과 설정이 달라 이 실행은 인정되지 않습니다. ‘시작’을 누르면 조건에 맞게 설정됩니다.',
  ],
  'challenges.done': ['{stars} Done after {n} steps.', '{stars} {n}스텝 만에 해냈습니다.'],
  'challenges.best': ['Best so far: {stars} after {n} steps.', '최고 기록: {n}스텝 만에 {stars}.'],
});
