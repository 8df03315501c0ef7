/** Data sets that are fetched: at the setting that chooses one. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'data.size': ['{size} MB', '{size}MB'],
  'data.fetch': ['Fetch', '내려받기'],
  'data.goOn': ['Go on', '이어받기'],
  'data.cancel': ['Cancel', '취소'],
  'data.coming': ['Fetching {title}', '{title} 내려받는 중'],
  'data.progress': ['{done} of {size} MB', '{size}MB 중 {done}MB'],
  'data.unpacking': ['Checking…', '확인하는 중…'],
  'data.begun': ['{percent}% is here already.', '{percent}%를 받아 두었습니다.'],
  'data.discard': ['Discard', '버리기'],
  'data.remove': ['Remove', '삭제'],
  'data.removeSure': ['Remove it for good?', '정말 삭제할까요?'],
  'data.here': ['{title} is on this machine.', '{title} 데이터가 이 컴퓨터에 있습니다.'],
  'own.none': ['choose a file', '파일을 고르세요'],
  'own.gone': ['no longer here', '이제 없는 파일'],
  'own.bring': ['Bring a file…', '파일 올리기…'],
  'own.reading': ['Reading…', '읽는 중…'],
  'own.drop': ['or drop it here', '여기에 끌어다 놓아도 됩니다'],
  'data.licence': ['Licence: {licence}', '라이선스: {licence}'],
  'data.licence.none': ['none stated', '명시되지 않음'],
  'data.licence.public': ['public domain', '퍼블릭 도메인'],
});
