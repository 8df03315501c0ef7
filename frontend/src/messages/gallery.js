/** The first view: its chapters of experiments. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'gallery.title': [
    'Change a real model while it trains, and see what that does.',
    '실제 모델이 학습하는 동안 직접 바꿔 보고, 무엇이 달라지는지 눈으로 확인하세요.',
  ],
  'gallery.intro': [
    'Every picture here is computed, live, from a PyTorch model on this machine. Pick one: it is already training when it opens.',
    '여기 보이는 모든 그림은 이 컴퓨터에서 학습 중인 PyTorch 모델로 실시간 계산한 것입니다. 하나를 고르면 바로 학습이 시작됩니다.',
  ],

  'gallery.start': ['Start here', '여기서 시작하세요'],
  'gallery.start.go': ['Open', '열기'],
  'gallery.start.then': ['then go down the path below', '그다음은 아래 순서를 따라가세요'],
  'gallery.next': ['Next on your path', '다음 차례'],
  'gallery.continue': ['Continue where you were', '이어서 하기'],
  'gallery.continue.go': ['Continue', '이어서 하기'],
  'gallery.continue.again': ['Open again', '다시 열기'],
  'gallery.running': ['Running now', '지금 실행 중'],
  'gallery.running.more': ['{n} more in the history', '기록에서 {n}개 더 보기'],
  'gallery.end': ['End', '끝내기'],
  'gallery.end.run': ['End {run}', '{run} 끝내기'],

  'gallery.minutes': ['{n} min', '{n}분'],
  'gallery.level.1': ['school mathematics', '고교 수학'],
  'gallery.level.2': ['derivatives and vectors', '미분과 벡터'],
  'gallery.level.3': ['reads a paper', '논문 읽기'],
  'gallery.after': ['after {titles}', '먼저: {titles}'],
  'gallery.opened': ['opened', '열어 봄'],
  'gallery.finished': ['finished', '마침'],
  'gallery.progress': ['{done} of {of}', '{of}단계 중 {done}'],
  'gallery.openedOf': ['{n} opened', '{n}개 열어 봄'],
  'gallery.size': ['{n} experiments, {minutes} min', '실험 {n}개, {minutes}분'],

  'gallery.size.one': ['1 experiment, {minutes} min', '실험 1개, {minutes}분'],

  'gallery.search': ['Search topics, texts, formulas', '주제, 본문, 수식 검색'],
  'gallery.results': ['What was found', '검색 결과'],
  'gallery.found': ['{n} found for “{text}”', '‘{text}’ 검색 결과 {n}개'],
  'gallery.none': ['Nothing has “{text}”.', '‘{text}’에 대한 결과가 없습니다.'],
  'gallery.none.hint': [
    'Try one word of it, or the same in the other language.',
    '한 단어만 넣거나 영어로 찾아보세요.',
  ],
  'gallery.clear': ['Clear the search', '검색어 지우기'],
  'gallery.where.title': ['title:', '제목:'],
  'gallery.where.summary': ['summary:', '소개:'],
  'gallery.where.preset': ['preset:', '프리셋:'],
  'gallery.where.panel': ['panel:', '패널:'],
  'gallery.where.lesson': ['lesson:', '레슨:'],
  'gallery.where.knob': ['setting:', '설정값:'],

  'gallery.own.syntax': ['Python cannot read this file.', '파이썬이 이 파일을 읽지 못합니다.'],
  'gallery.own.import': [
    'This file ends with an error as it is loaded.',
    '이 파일은 불러오는 중에 오류가 납니다.',
  ],
  'gallery.own.contract': [
    'This file lacks something that an experiment needs.',
    '이 파일에는 실험에 필요한 것이 빠져 있습니다.',
  ],
  'gallery.own.lesson': [
    'The lesson is missing, or not as it should be.',
    '레슨이 없거나 형식이 맞지 않습니다.',
  ],
  'gallery.own.name': ['The file’s name cannot be an id.', '파일 이름을 실험의 이름으로 쓸 수 없습니다.'],
  'gallery.own.taken': ['There is an experiment of this name already.', '같은 이름의 실험이 이미 있습니다.'],
  'gallery.own.unreadable': ['This file cannot be read.', '이 파일을 읽을 수 없습니다.'],
  'gallery.own.slow': ['This file takes too long to load.', '이 파일을 불러오는 데 너무 오래 걸립니다.'],
  'gallery.own.ended': [
    'Loading this file ends its process.',
    '이 파일을 불러오면 프로세스가 끝나 버립니다.',
  ],
  'gallery.own.line': ['Line {n}', '{n}번째 줄'],
  'gallery.own.mend': [
    'Mend and save it. With --reload it is taken up at once, else when the server starts again.',
    '고쳐서 저장하세요. --reload를 켰다면 바로, 아니면 서버를 다시 시작할 때 반영됩니다.',
  ],

  'gallery.all': ['All chapters', '전체 목록'],
  'gallery.path': ['The path', '학습 순서'],
  'gallery.experiments': ['The experiments', '실험'],
  'gallery.chapters': ['The chapters before and after', '앞뒤 장'],
});
