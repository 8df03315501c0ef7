/** The list of recorded runs, and what is wrong with recording them. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'history.title': ['History', '기록'],
  'history.intro': [
    'Every run is recorded. Open one to see it at any step, or to go on from there.',
    '모든 실행이 기록됩니다. 열어서 어느 스텝이든 다시 보고, 거기서부터 이어 갈 수 있습니다.',
  ],
  'history.search': ['Search names, experiments, ids', '이름, 실험, 번호 검색'],
  'history.all': ['All experiments', '모든 실험'],
  'history.starred': ['Starred', '별표만'],
  'history.none': ['No recorded run matches.', '조건에 맞는 기록이 없습니다.'],
  'history.count': ['Runs: {n}', '실행 {n}개'],
  'history.most': [
    'The newest {n} runs are shown. Search to find older ones.',
    '최근 {n}개만 표시합니다. 더 오래된 것은 검색하세요.',
  ],
  'history.name': ['Name of the run {run}', '실행 {run}의 이름'],
  'history.star': ['Star: never deleted to free space', '별표: 공간이 모자라도 지우지 않습니다'],
  'history.export': ['Export (zip)', '내보내기 (zip)'],
  'history.script': ['PyTorch script', 'PyTorch 스크립트'],
  'history.csv': ['Scalars (CSV)', '스칼라 (CSV)'],
  'history.saving': ['Writing the file…', '파일을 만드는 중…'],
  'history.scriptSure': ['Save it anyway', '그래도 저장'],
  'history.scriptImported': [
    'This run was imported: its script is built from values in a file that somebody gave you. Read it before you run it.',
    '가져온 실행입니다. 이 스크립트는 다른 사람이 준 파일의 값으로 만들어지므로 실행하기 전에 내용을 살펴보세요.',
  ],
  'history.tensorboard': ['TensorBoard', 'TensorBoard'],
  'history.import': ['Import', '가져오기'],
  'history.repeated': [
    'This run was in the list already. It has been imported once more.',
    '이미 목록에 있는 실행을 한 번 더 가져왔습니다.',
  ],
  'history.openFirst': ['Open the earlier one', '먼저 있던 실행 열기'],
  'history.openCopy': ['Open the new copy', '새로 가져온 실행 열기'],
  'history.delete': ['Delete', '삭제'],
  'history.deleteSure': ['Delete for good?', '정말 삭제할까요?'],
  'history.compare': ['Compare', '비교'],
  'history.compareHelp': [
    'Choose up to {n} runs of one experiment to draw their curves together',
    '같은 실험의 실행을 {n}개까지 골라 곡선을 함께 그립니다',
  ],
  'history.thinned': [
    '{n} older pictures were deleted to free space',
    '공간을 비우려고 오래된 그림 {n}장을 지웠습니다',
  ],
  'history.scalars': [
    'Before step {step}, only the minimum, mean and maximum of each interval are kept',
    '스텝 {step} 이전은 구간마다 최솟값, 평균, 최댓값만 남아 있습니다',
  ],
  'history.defaults': ['default settings', '기본 설정값'],

  'recording.disk-full': [
    'The disk is full: nothing is being saved. Training goes on.',
    '디스크가 가득 차 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
  'recording.disk-low': [
    'The disk is nearly full. Delete runs that you no longer need before recording stops.',
    '디스크가 거의 찼습니다. 기록이 멈추기 전에 필요 없는 실행을 삭제하세요.',
  ],
  'recording.home-gone': [
    'The recording file was deleted, moved or replaced while in use: nothing is being saved. Training goes on.',
    '사용 중인 기록 파일이 삭제되거나 옮겨지거나 바뀌어 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
  'recording.locked': [
    'Another program has the recording file locked: nothing is being saved for now. Training goes on.',
    '다른 프로그램이 기록 파일을 잠그고 있어 지금은 저장하지 못합니다. 학습은 계속됩니다.',
  ],
  'recording.failed': [
    'Recording failed: nothing is being saved. Training goes on.',
    '기록에 실패해 저장하지 못하고 있습니다. 학습은 계속됩니다.',
  ],
});
