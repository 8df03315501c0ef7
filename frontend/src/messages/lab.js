/** The lab: its tabs, the lesson, the run’s controls, the timeline, runs side by side. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'lab.tabs': ['Panels or lesson', '패널과 레슨'],
  'lab.panels': ['Panels', '패널'],
  'lab.groups': ['Panel groups', '패널 묶음'],
  'lab.own': ['Experiment', '실험'],
  'lab.effects': ['Learning rate', '학습률'],
  'lab.effects.invite': [
    'Move η and see what the next step would do at each rate; below, let the rate follow a schedule or try many at once.',
    'η를 움직이며 다음 한 스텝이 학습률마다 어떻게 달라지는지 보세요. 아래에서는 학습률이 스케줄을 따르게 하거나 여러 값을 한꺼번에 시험할 수 있습니다.',
  ],

  'lesson.title': ['Lesson', '레슨'],
  'lesson.close': ['Close the lesson', '레슨 닫기'],

  'watch.again': ['What to watch', '관찰할 점'],

  'transport.title': ['Run controls', '실행 제어'],
  'transport.play': ['Play', '재생'],
  'transport.pause': ['Pause', '일시정지'],
  'transport.step': ['One step', '한 스텝'],
  'transport.reset': ['Start over', '처음부터'],
  'transport.again': ['Start over', '다시 시작'],
  'transport.pace': ['speed', '속도'],
  'transport.perSecond': ['{n} steps/s', '초당 {n}스텝'],
  'transport.fastest': ['fastest', '최대'],
  'transport.steps': ['step {n}', '스텝 {n}'],
  'transport.epoch': ['epoch {n}', '에포크 {n}'],
  'transport.rate': ['{n} steps/s', '초당 {n}스텝'],
  'transport.epochRate': ['{n} epochs/s', '초당 {n}에포크'],

  'timeline.title': [
    'Timeline: look at the run as it was at any step',
    '타임라인: 어느 스텝이든 그때의 모습을 봅니다',
  ],
  'timeline.live': ['now', '현재'],
  'timeline.branch': ['Branched at step {step}: open that run', '스텝 {step}에서 갈라진 실행 열기'],

  'past.at': [
    'This is step {step}. Change a setting, then press Branch to try it from here.',
    '지금 보는 것은 스텝 {step}입니다. 설정값을 바꾸고 분기를 누르면 여기서부터 다르게 학습해 봅니다.',
  ],
  'past.wanted': [
    'Press Branch to go on from step {step} with {knobs}.',
    '분기를 누르면 스텝 {step}에서 {knobs}(으)로 학습을 이어 갑니다.',
  ],
  'past.live': ['Back to live', '실시간으로'],

  'branch.here': ['Branch', '분기'],
  'branch.differs': [
    'Branched at step {step} with {knobs}. The parent’s curves are drawn beside its own.',
    '스텝 {step}에서 {knobs}(으)로 갈라진 실행입니다. 원래 실행의 곡선이 함께 그려집니다.',
  ],
  'branch.same': [
    'Branched at step {step} with nothing changed: it repeats its parent exactly until you change a setting.',
    '아무것도 바꾸지 않고 스텝 {step}에서 갈라진 실행입니다. 설정값을 바꾸기 전까지는 원래 실행을 그대로 되풀이합니다.',
  ],
  'branch.help': [
    'A new run that goes on from exactly this step, with the settings as they are now',
    '바로 이 스텝에서, 지금 정한 설정값으로 이어지는 새 실행',
  ],

  'runs.own': ['The run you are looking at', '지금 보고 있는 실행'],
  'runs.toggle': ['Show or hide its curves', '곡선 보이기 / 숨기기'],
  'runs.beside': ['Pictures of {name} side by side', '{name}의 그림을 나란히 보기'],
  'runs.open': ['Open {name}', '{name} 열기'],
  'runs.remove': ['Stop comparing with {name}', '{name} 비교에서 빼기'],
  'runs.add': ['Compare with this run', '이 실행과 비교하기'],
  'runs.tree': ['{n} runs', '실행 {n}개'],
  'runs.from': ['from step {step}', '스텝 {step}부터'],

  'status.queued': ['queued', '대기 중'],
  'status.starting': ['starting', '시작하는 중'],
  'status.running': ['running', '학습 중'],
  'status.paused': ['paused', '일시정지'],
  'status.finished': ['finished', '완료'],
  'status.stopped': ['stopped', '중지됨'],
  'status.diverged': ['diverged', '발산'],
  'status.failed': ['failed', '실패'],
  'status.interrupted': ['interrupted', '중단됨'],
  'status.unknown': ['no connection', '연결 끊김'],
});
