/** The lab: its tabs, the lesson, the run’s controls, the timeline, runs side by side. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'lab.tabs': ['Panels or lesson', '패널과 레슨'],
  'lab.panels': ['Panels', '패널'],
  'lab.groups': ['Panel groups', '패널 묶음'],
  'lab.own': ['Experiment', '실험'],
  'lab.effects': ['What if?', '만약에'],
  'lab.sweep': ['Sweep', '스윕'],
  'lab.schedule': ['Schedule', '스케줄'],
  'lab.tools': ['Tools for {knob}', '{knob} 도구'],
  'lab.effects.invite': [
    'Move η and see what the next step would do at each rate.',
    'η를 움직이며 다음 한 스텝이 학습률마다 어떻게 달라지는지 보세요.',
  ],
  'lab.sweep.invite': [
    'The same steps from here with many values of one setting: which is best, and where does it break?',
    '지금 상태에서 한 설정값만 여러 값으로 바꾸어 똑같이 학습합니다. 어느 값이 가장 좋고, 어디서부터 망가질까요?',
  ],
  'lab.schedule.invite': [
    'Choose how a setting changes as training goes on, or draw it on the chart.',
    '학습이 진행되면서 설정값이 어떻게 바뀔지 고르거나, 차트 위에 직접 그려 보세요.',
  ],

  'lesson.title': ['Lesson', '레슨'],
  'lesson.close': ['Close the lesson', '레슨 닫기'],

  'watch.again': ['What to watch', '관찰할 점'],

  'transport.title': ['Run controls', '실행 제어'],
  'transport.space': ['space', '스페이스'],
  'transport.play': ['Play', '재생'],
  'transport.pause': ['Pause', '일시정지'],
  'transport.step': ['One step', '한 스텝'],
  'transport.reset': ['Start over', '처음부터'],
  'transport.stop': [
    'Stop: the script’s training loop ends, as Ctrl+C would end it',
    '중지: Ctrl+C를 누른 것처럼 스크립트의 학습 루프를 끝냅니다',
  ],
  'transport.again': ['Start over', '다시 시작'],
  'transport.pace': ['Pace', '학습 속도'],
  'transport.perSecond': ['{word}, {n}/s', '{word}, 초당 {n}'],
  'transport.slower': ['Slower', '더 느리게'],
  'transport.faster': ['Faster', '더 빠르게'],
  'transport.replay': [
    'Replay from the start: the record of this run as a film',
    '처음부터 다시 보기: 이 실행의 기록을 영상처럼 봅니다',
  ],
  'transport.film': ['film', '다시 보기'],
  'pace.single': ['step by step', '한 스텝씩'],
  'pace.slow': ['slow', '느리게'],
  'pace.steady': ['steady', '보통'],
  'pace.quick': ['quick', '빠르게'],
  'pace.fastest': ['fastest', '최대'],
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
  'past.kept': [
    'This is step {step}. Going back puts the script’s model, optimizer and random numbers back to step {kept}; its data loader goes on from where it is.',
    '지금 보는 것은 스텝 {step}입니다. 되돌리면 스크립트의 모델, 옵티마이저, 난수가 스텝 {kept}의 상태로 돌아갑니다. 데이터 로더는 지금 읽던 곳에서 계속 읽습니다.',
  ],
  'past.kept.wanted': [
    'Going back puts the script’s model, optimizer and random numbers back to step {kept}, and goes on with {knobs}; its data loader goes on from where it is.',
    '되돌리면 스크립트의 모델, 옵티마이저, 난수가 스텝 {kept}의 상태로 돌아가고 {knobs}(으)로 학습을 이어 갑니다. 데이터 로더는 지금 읽던 곳에서 계속 읽습니다.',
  ],
  'past.unkept': [
    'This is step {step}. The script keeps no state from before it, so it cannot go back here.',
    '지금 보는 것은 스텝 {step}입니다. 스크립트에 이 스텝 이전의 상태가 남아 있지 않아 여기로는 되돌릴 수 없습니다.',
  ],
  'past.over': [
    'This is step {step}. The script has ended, so nothing goes on from here.',
    '지금 보는 것은 스텝 {step}입니다. 스크립트가 끝나서 여기서부터 이어 갈 수는 없습니다.',
  ],
  'past.live': ['Back to live', '실시간으로'],

  'kept.here': ['Keep', '상태 저장'],
  'kept.help': [
    'Keep the script’s state as it is now, to come back to it: on the script’s machine, until it ends',
    '지금 상태로 되돌아올 수 있게 스크립트의 상태를 저장합니다. 스크립트가 도는 컴퓨터에, 끝날 때까지 남습니다',
  ],
  'kept.back': ['Back to step {step}', '스텝 {step}(으)로 되돌리기'],
  'timeline.kept': ['a state is kept', '저장된 상태'],
  'timeline.back': ['back to the state of step {step}', '스텝 {step}의 상태로 되돌림'],

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
  'runs.this': ['This run', '이 실행'],
  'runs.changed': ['{what} at step {step}', '{what} (스텝 {step}부터)'],
  'runs.branch': ['Branch at step {step}', '스텝 {step}에서 분기'],
  'runs.constant': ['constant', '고정'],
  'runs.toggle': ['Show or hide its curves', '곡선 보이기 / 숨기기'],
  'runs.beside': ['Pictures of {name} side by side', '{name}의 그림을 나란히 보기'],
  'runs.open': ['Open {name}', '{name} 열기'],
  'runs.remove': ['Stop comparing with {name}', '{name} 비교에서 빼기'],
  'runs.add': ['Compare with this run', '이 실행과 비교하기'],
  'runs.tree': ['{n} runs', '실행 {n}개'],
  'runs.from': ['from step {step}', '스텝 {step}부터'],

  'watched.branch': [
    'You watch somebody else’s run. Branch it, and go on from here with one of your own.',
    '다른 사람의 실행을 보고 있습니다. 여기서 분기하면 내 실행으로 이어서 학습할 수 있습니다.',
  ],
  'watched.only': ['You watch somebody else’s run.', '다른 사람의 실행을 보고 있습니다.'],
  'watched.own': ['Branch it', '분기하기'],
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
