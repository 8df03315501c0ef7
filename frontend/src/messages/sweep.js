/** Sweeps: the same steps with several values. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'sweep.title': ['Sweep from here', '여기서부터 스윕'],
  'sweep.about': [
    'From step {step}: the same number of steps with each value, on copies of the run; the run itself goes on.',
    '스텝 {step}의 사본을 값마다 하나씩 만들어 같은 스텝 수만큼 학습해 봅니다. 원래 실행은 그대로 계속됩니다.',
  ],
  'sweep.knob': ['Setting', '설정값'],
  'sweep.low': ['from', '최솟값'],
  'sweep.high': ['to', '최댓값'],
  'sweep.count': ['values', '개수'],
  'sweep.steps': ['steps', '스텝'],
  'sweep.each': ['combine with', '함께 바꿀 설정값'],
  'sweep.none': ['(nothing else)', '(없음)'],
  'sweep.orders': ['random orders', '무작위 순서'],
  'sweep.orders.help': [
    'From the same state, with this many different orders of mini-batches and noise',
    '같은 상태에서 미니배치와 잡음의 순서를 이만큼 바꾸어 봅니다',
  ],
  'sweep.edge.low': [
    'The best value is the lowest tried: look further down.',
    '가장 좋은 값이 아래쪽 끝에 있습니다. 더 작은 값도 시도해 보세요.',
  ],
  'sweep.edge.high': [
    'The best value is the highest tried: look further up.',
    '가장 좋은 값이 위쪽 끝에 있습니다. 더 큰 값도 시도해 보세요.',
  ],
  'sweep.crowded': [
    'Other sweeps are running; this one starts when one ends …',
    '다른 스윕이 진행 중입니다. 하나가 끝나면 시작합니다 …',
  ],
  'sweep.run': ['Sweep', '스윕 시작'],
  'sweep.stop': ['Stop', '중지'],
  'sweep.starting': ['going back to that step …', '그 스텝으로 돌아가는 중 …'],
  'sweep.progress': ['{done} of {total} steps', '{total}스텝 중 {done}'],
  'sweep.ready': ['{count} values × {steps} steps', '값 {count}개 × {steps}스텝'],
  'sweep.done': ['{total} steps taken', '{total}스텝 학습'],
  'sweep.done.batched': [
    '{total} steps taken, {batched} curves at once in batched steps',
    '{total}스텝 학습, 곡선 {batched}개는 묶어서 한꺼번에',
  ],
  'sweep.ended': ['The sweep ended early.', '스윕이 도중에 끝났습니다.'],
  'sweep.fan': ['Loss, one curve per value', '값마다 그린 손실 곡선'],
  'sweep.range': ['Loss at the end, for each {knob}', '{knob} 값에 따른 마지막 손실'],
  'sweep.empty': ['The curves will appear here.', '여기에 곡선이 그려집니다.'],
  'sweep.empty.range': [
    'The final loss for each value will appear here.',
    '여기에 값마다 마지막 손실이 그려집니다.',
  ],
  'sweep.series.objective': ['objective', '목적 함수'],
  'sweep.now': ['now', '현재'],
  'sweep.best': ['best', '최적'],
  'sweep.breaks': ['breaks', '한계'],
  'sweep.diverged': ['diverged after {steps} steps', '{steps}스텝 만에 발산'],
  'sweep.read': ['loss {loss} after {steps} steps', '{steps}스텝 뒤 손실 {loss}'],
  'sweep.order': ['order {n}', '순서 {n}'],
  'sweep.choose': [
    'Choose a curve or a point, with the pointer or with the arrow keys and Enter.',
    '곡선이나 점을 누르거나, 화살표 키와 Enter 키로 고르세요.',
  ],
  'sweep.adopt': ['Use this value', '이 값 쓰기'],
  'sweep.adopt.help': ['Sets it in this run, now', '지금 이 실행에 적용합니다'],
  'sweep.branch': ['Branch with it', '이 값으로 분기'],
  'sweep.branch.help': [
    'A new run from step {step} with this value',
    '스텝 {step}에서 이 값으로 이어지는 새 실행',
  ],
});
