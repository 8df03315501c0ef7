/** A link for a class: what it shows and how it begins. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'build.title': ['Link for a class', '수업용 링크'],
  'build.about': [
    'Whoever opens it begins a run of their own, with the settings that this run has now and the panels that are on screen.',
    '링크를 연 사람마다 자기 실행을 새로 시작합니다. 지금 이 실행의 설정값과 화면에 보이는 패널 그대로입니다.',
  ],
  'build.knob': ['Setting', '설정값'],
  'build.shown': ['free', '자유'],
  'build.locked': ['locked', '잠금'],
  'build.hidden': ['hidden', '숨김'],
  'build.all': ['All of them', '모두 이렇게'],
  'build.without': ['Leave out', '빼 둘 것'],
  'build.part.presets': ['presets', '프리셋'],
  'build.part.seed': ['seed', '시드'],
  'build.part.story': ['story', '따라 하기'],
  'build.part.challenges': ['challenges', '도전'],
  'build.part.lesson': ['lesson', '레슨'],
  'build.part.tools': ['what if, sweep, schedule', '만약에, 스윕, 스케줄'],
  'build.begins': ['It begins', '시작할 때'],
  'build.paused': ['paused, at step 0', '0스텝에서 일시정지'],
  'build.none': ['none', '없음'],
  'build.language': ['Language', '언어'],
  'build.long': [
    'These settings are too long for a link: drawings and long texts do not fit.',
    '설정값이 너무 길어 링크에 담을 수 없습니다. 그림이나 긴 글은 들어가지 않습니다.',
  ],
  'build.preview': ['Preview', '미리보기'],
  'build.code': ['The link as a QR code', '링크의 QR 코드'],
  'build.nocode': ['The link is too long for a QR code.', '링크가 길어 QR 코드로 만들 수 없습니다.'],
  'build.guides': [
    'It guides and does not guard: whoever shortens the address has everything. People who have not come in yet need a key first.',
    '길을 안내할 뿐 막지는 못합니다. 주소를 줄이면 모든 것이 열립니다. 아직 들어오지 않은 사람에게는 먼저 키가 필요합니다.',
  ],
});
