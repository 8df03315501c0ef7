/** What the server refuses: `error.<code>`, or `error.<code>.<reason>` where that is known. */

export default /** @satisfies {import('./index.js').Texts} */ ({
  'error.unknown-experiment': ['There is no such experiment.', '존재하지 않는 실험입니다.'],
  'error.unknown-experiment.run': [
    'The run is of the experiment “{experiment}”, which this server does not have. Start it with the folder that holds the experiment: descent serve --experiments FOLDER.',
    '이 실행은 ‘{experiment}’ 실험의 것인데 이 서버에는 그 실험이 없습니다. 실험이 있는 폴더를 지정해 서버를 시작하세요: descent serve --experiments 폴더',
  ],
  'error.broken-experiment': [
    'The experiment’s file does not load. {detail}',
    '실험 파일을 불러올 수 없습니다. {detail}',
  ],
  'error.code-changed': [
    'The experiment’s file {file} is not what it was when this run was made, so it can be looked at, but not go on, nor be written as a script. Begin a new run, or put the file back as it was.',
    '실험 파일 {file}의 내용이 이 실행을 만들 때와 달라서, 볼 수는 있지만 이어 가거나 스크립트로 내보낼 수는 없습니다. 새로 시작하거나 파일을 그때 내용으로 되돌리세요.',
  ],
  'error.not-signed-in': [
    'This server asks for a key. Open the link that you were given.',
    '이 서버에 들어오려면 키가 필요합니다. 받은 링크로 여세요.',
  ],
  'error.wrong-token': [
    'This is no key of this server. Ask for a link again.',
    '이 서버의 키가 아닙니다. 링크를 다시 받으세요.',
  ],
  'error.wrong-token.stale': [
    'This link has expired or was revoked. Ask for a new one.',
    '기한이 지났거나 취소된 링크입니다. 새 링크를 받으세요.',
  ],
  'error.too-many-tokens': [
    'Too many wrong keys came. Try again in {seconds} s.',
    '틀린 키가 너무 많이 들어왔습니다. {seconds}초 뒤에 다시 시도하세요.',
  ],
  'error.not-permitted.owner': [
    'This run is somebody else’s. Branch it to go on with one of your own.',
    '다른 사람의 실행입니다. 분기를 만들면 자신의 실행으로 이어 갈 수 있습니다.',
  ],
  'error.not-permitted.file': ['This file is somebody else’s.', '다른 사람의 파일입니다.'],
  'error.not-permitted.learner': ['Viewers can only watch.', '보기 전용으로 들어와서 볼 수만 있습니다.'],
  'error.not-permitted.teacher': ['Only a teacher can do this.', '교사만 할 수 있습니다.'],
  'error.not-permitted.unguarded': [
    'This server asks nobody for a key, so there are none.',
    '이 서버는 키를 요구하지 않으므로 키도 없습니다.',
  ],
  'error.not-permitted': ['You may not do this here.', '여기서는 할 수 없습니다.'],
  'error.unknown-key': ['There is no such key any more.', '이미 없는 키입니다.'],
  'error.too-many-people': [
    'There are {most} already, which is the limit. Revoke some first.',
    '이미 한도인 {most}개가 찼습니다. 먼저 몇 개를 취소하세요.',
  ],
  'error.unknown-run': ['There is no such run.', '존재하지 않는 실행입니다.'],
  'error.bad-link.long': [
    'The link is too long: {n} characters, where at most {most} are read.',
    '링크가 너무 깁니다. {n}자인데 {most}자까지만 읽습니다.',
  ],
  'error.bad-link.seed': [
    'The link’s seed “{given}” is not a whole number from 0 to {most}.',
    '링크의 시드 ‘{given}’은(는) 0에서 {most} 사이의 정수가 아닙니다.',
  ],
  'error.bad-link.step': [
    'The link asks for step “{given}”. A link can lead to a whole step up to {most}.',
    '링크가 가리키는 스텝 ‘{given}’을(를) 열 수 없습니다. 스텝은 {most} 이하의 정수여야 합니다.',
  ],
  'error.bad-link.device': [
    'The link asks for the device “{given}”; it may be auto, cpu, cuda, mps, or a GPU by its number, as cuda:0.',
    '링크가 요청한 장치 ‘{given}’이(가) 없습니다. auto, cpu, cuda, mps 또는 cuda:0처럼 번호를 붙인 GPU여야 합니다.',
  ],
  'error.bad-link.changes': [
    'The link’s changes of settings cannot be read. Copy the link again, whole.',
    '링크에 담긴 설정값 변경을 읽을 수 없습니다. 링크를 처음부터 끝까지 다시 복사하세요.',
  ],
  'error.too-many-runs': [
    'Too many runs are active. Stop one first.',
    '실행이 너무 많습니다. 먼저 하나를 중지하세요.',
  ],
  'error.too-many-runs.each': [
    'You have {most} active runs, as many as one may have here. Stop one first.',
    '한 사람에게 허용된 실행 {most}개를 모두 쓰고 있습니다. 먼저 하나를 중지하세요.',
  ],
  'error.too-many-taken': [
    'Other files with weights are being written. Try again in a moment.',
    '다른 가중치 파일을 만드는 중입니다. 잠시 뒤에 다시 시도하세요.',
  ],
  'error.no-weights': [
    'This experiment trains without a model, so it has no weights.',
    '모델 없이 학습하는 실험이라 가중치가 없습니다.',
  ],
  'error.no-onnx': [
    'This experiment has no single model to take out as ONNX. Its weights can be saved.',
    'ONNX로 내보낼 모델이 정해져 있지 않은 실험입니다. 가중치는 저장할 수 있습니다.',
  ],
  'error.no-onnx.torch': [
    'PyTorch cannot write this model as ONNX: {cause}',
    'PyTorch가 이 모델을 ONNX로 내보내지 못합니다: {cause}',
  ],
  'error.too-many-tables': [
    'Other tables are being written. Try again in a moment.',
    '다른 표를 만드는 중입니다. 잠시 뒤에 다시 시도하세요.',
  ],
  'error.too-many-viewers': [
    '{most} pages are already watching, which is the limit. Close one, or try again later.',
    '이미 페이지 {most}개가 보고 있어 더 열 수 없습니다. 하나를 닫거나 나중에 다시 시도하세요.',
  ],
  'error.too-many-connections': [
    'The server has {most} connections open, which is the limit. Close a page, or try again later.',
    '이미 연결 {most}개가 열려 있어 서버가 더 받을 수 없습니다. 페이지를 닫거나 나중에 다시 시도하세요.',
  ],
  'error.too-slow': [
    'The request did not arrive in time. Try again.',
    '요청이 제때 도착하지 않았습니다. 다시 시도하세요.',
  ],
  'error.own-loop': [
    'This run trains in a script of its own, whose state Descent does not have: it cannot be branched, swept or saved to train from, and its weights cannot be saved here. Its scalars can.',
    '이 실행은 별도 스크립트에서 학습하므로 Descent에 학습 상태가 없습니다. 분기나 스윕을 하거나 이어서 학습할 파일이나 가중치로 저장할 수 없고, 측정값만 저장할 수 있습니다.',
  ],
  'error.script-away': [
    'The script is not connected now. It may come back; until then it cannot be reached.',
    '지금은 스크립트와 연결되어 있지 않습니다. 다시 연결될 때까지는 조작할 수 없습니다.',
  ],
  'error.bad-saying': [
    'The script said something that cannot be understood ({detail}).',
    '스크립트가 보낸 내용을 이해할 수 없습니다({detail}).',
  ],
  'error.wrong-state.closed': ['Answers are no longer taken.', '이제 답을 받지 않습니다.'],
  'error.wrong-state.early': [
    'The run has not come that far yet.',
    '실행이 아직 그 스텝에 이르지 않았습니다.',
  ],
  'error.wrong-state.other-knobs': [
    'This run was trained with other settings than the question is about: guess again.',
    '질문과 다른 설정으로 학습한 실행입니다. 다시 예상해 보세요.',
  ],
  'error.wrong-state.gone': ['This question is no longer asked.', '끝난 질문입니다.'],
  'error.wrong-state': [
    'You can’t do that while the run is {status}.',
    '실행 상태가 ‘{status}’일 때는 할 수 없습니다.',
  ],
  'error.no-answer': [
    'The run did not answer; it may be in the middle of a long step.',
    '실행이 응답하지 않습니다. 긴 스텝을 처리하는 중일 수 있습니다.',
  ],
  'error.not-recorded': ['That step is not recorded.', '그 스텝은 기록되어 있지 않습니다.'],
  'error.different-shape': [
    'Changing {field} changes the model’s shape, so the saved weights no longer fit. Start a new run instead.',
    '{field} 값을 바꾸면 모델의 모양이 달라져 저장된 가중치를 이어받을 수 없습니다. 새 실행을 시작하세요.',
  ],
  'error.bad-checkpoint': [
    'Training cannot go on from that step: {cause}',
    '그 스텝에서는 학습을 이어 갈 수 없습니다: {cause}',
  ],
  'error.bad-checkpoint.weights': [
    'The weights of that step cannot be made again: {cause}',
    '그 스텝의 가중치를 다시 만들 수 없습니다: {cause}',
  ],
  'error.worker-lost': [
    'The training process ended unexpectedly ({cause}). Try again; if memory is low, stop another run first.',
    '학습 프로세스가 예기치 않게 끝났습니다({cause}). 다시 시도하세요. 메모리가 모자라면 다른 실행을 먼저 중지하세요.',
  ],
  'error.no-device': [
    'There is no device {asked} here. Choose one of {offered}.',
    '여기에는 {asked} 장치가 없습니다. {offered} 가운데에서 고르세요.',
  ],
  'error.no-device.gone': [
    'This run trained on {asked}, which is not here. It can be looked at, but not go on. Begin a new run with its settings on one of {offered}.',
    '이 실행을 학습한 {asked} 장치가 여기에 없습니다. 볼 수는 있지만 이어 갈 수는 없습니다. 같은 설정값으로 {offered} 가운데 하나에서 새로 시작하세요.',
  ],
  'error.too-large.carried': [
    'The data that comes with the run is larger than files may be here ({megabytes} MB).',
    '실행에 딸린 데이터가 여기서 받는 파일 크기({megabytes} MB)를 넘습니다.',
  ],
  'error.too-large': ['The request is too large.', '요청이 너무 큽니다.'],
  'error.fixed-knob': ['{field} cannot be changed during a run.', '{field} 값은 실행 중에 바꿀 수 없습니다.'],
  'error.bad-knob.grid_uneven': [
    '{field}: give every row as many numbers as the first.',
    '{field}: 모든 행에 첫 행과 같은 개수의 수를 넣으세요.',
  ],
  'error.bad-knob.grid_size': [
    '{field}: give {fewest_rows} to {most_rows} rows of {fewest} to {most} numbers, not {rows} of {columns}.',
    '{field}: 크기가 {rows}×{columns}입니다. {fewest_rows}~{most_rows}행, {fewest}~{most}열로 하세요.',
  ],
  'error.bad-knob.grid_range': [
    '{field}: row {row}, column {column} must be from {low} to {high}.',
    '{field}: {row}행 {column}열에는 {low}부터 {high}까지 넣을 수 있습니다.',
  ],
  'error.bad-knob.greater_than_equal': [
    '{field} must be at least {ge} (given: {given}).',
    '{field} 값은 {ge} 이상이어야 합니다(입력: {given}).',
  ],
  'error.bad-knob.less_than_equal': [
    '{field} must be at most {le} (given: {given}).',
    '{field} 값은 {le} 이하여야 합니다(입력: {given}).',
  ],
  'error.bad-knob.greater_than': [
    '{field} must be greater than {gt} (given: {given}).',
    '{field} 값은 {gt}보다 커야 합니다(입력: {given}).',
  ],
  'error.bad-knob.string_too_short': [
    '{field}: at least {min_length} characters.',
    '{field}: {min_length}자 이상이어야 합니다.',
  ],
  'error.bad-knob.int_type': ['{field} must be a whole number.', '{field} 값은 정수여야 합니다.'],
  'error.bad-knob.int_from_float': ['{field} must be a whole number.', '{field} 값은 정수여야 합니다.'],
  'error.bad-knob.finite_number': ['{field} must be a finite number.', '{field} 값은 유한한 수여야 합니다.'],
  'error.bad-knob.too_long': [
    '{field}: too many items, at most {max_length}.',
    '{field}: 최대 {max_length}개까지 넣을 수 있습니다.',
  ],
  'error.bad-knob.string_unicode': [
    '{field}: this text contains half a character. Copy it again.',
    '{field}: 깨진 글자가 있습니다. 다시 복사해 넣으세요.',
  ],
  'error.bad-knob.string_too_long': [
    '{field}: at most {max_length} characters.',
    '{field}: 최대 {max_length}자까지 넣을 수 있습니다.',
  ],
  'error.too-many-requests': [
    'That was too often. Try again in {seconds} s.',
    '요청이 너무 잦습니다. {seconds}초 뒤에 다시 시도하세요.',
  ],
  'error.too-many-sweeps.each': [
    'Your sweeps under way: {most}, as many as one may have here. Wait until one ends, or stop it.',
    '한 사람이 동시에 할 수 있는 스윕 {most}개가 이미 진행 중입니다. 끝나기를 기다리거나 중지하세요.',
  ],
  'error.bad-knob.memory': [
    '{field} is too large for this server: a run may take {most} MiB of memory. Choose a smaller value.',
    '{field} 값이 이 서버에는 너무 큽니다. 한 실행이 쓸 수 있는 메모리는 {most}MiB입니다. 값을 줄이세요.',
  ],
  'error.bad-knob.gpu-memory': [
    '{field} is too large: the memory of the GPU is full. Choose a smaller value, or train on the CPU.',
    '{field} 값이 너무 커서 GPU 메모리가 가득 찼습니다. 값을 줄이거나 CPU에서 학습하세요.',
  ],
  'error.bad-knob.float64': [
    'This experiment computes with 64 bits, and {device} has no such numbers. Train it on the CPU.',
    '이 실험은 64비트 실수로 계산하는데 {device}에는 64비트 실수가 없습니다. CPU에서 학습하세요.',
  ],
  'error.bad-knob.operation': [
    '{device} lacks the operation {operation}, which this experiment needs. Train it on the CPU.',
    '이 실험에 필요한 {operation} 연산이 {device}에 없습니다. CPU에서 학습하세요.',
  ],
  'error.bad-knob.look': [
    '{field} does not affect training: every loss would be the same.',
    '학습에 영향을 주지 않는 설정값입니다({field}). 손실이 모두 같게 나옵니다.',
  ],
  'error.bad-knob.no-data': [
    '{title} is not on this machine yet. Fetch it here, or with: descent data fetch {name}',
    '{title} 데이터가 아직 이 컴퓨터에 없습니다. 여기에서 내려받거나 다음 명령을 쓰세요: descent data fetch {name}',
  ],
  'error.bad-knob.bad-data': [
    '{title} cannot be read: {cause}. Replace the file, or remove the data set and fetch it again.',
    '{title} 데이터를 읽을 수 없습니다: {cause}. 파일을 바꾸거나, 데이터셋을 삭제하고 다시 내려받으세요.',
  ],
  'error.bad-knob.no-file': [
    'No file is chosen. Choose one, or bring one.',
    '고른 파일이 없습니다. 파일을 고르거나 올리세요.',
  ],
  'error.bad-knob.file-gone': [
    'That file is no longer on this machine. Bring it again, or choose another.',
    '그 파일은 이제 이 컴퓨터에 없습니다. 다시 올리거나 다른 파일을 고르세요.',
  ],
  'error.bad-knob.short-file': [
    'Its {have} characters are too few. Bring {least} or more, or paste them.',
    '{have}글자로는 모자랍니다. {least}글자 이상을 올리거나, 직접 붙여 넣으세요.',
  ],
  'error.bad-file.no-table': ['Only tables have columns.', '열이 있는 파일은 표뿐입니다.'],
  'error.bad-file.no-text': [
    'This is not a text. Save it as plain text, best as UTF-8.',
    '텍스트 파일이 아닙니다. 일반 텍스트로, 되도록 UTF-8로 저장해서 올리세요.',
  ],
  'error.bad-file.empty-file': ['There is nothing in the file.', '빈 파일입니다.'],
  'error.bad-file.too-many-bytes': [
    'Your files take too much together: {megabytes} MB are allowed. Delete one first.',
    '파일이 모두 합쳐 너무 큽니다. {megabytes} MB까지 올릴 수 있으니 먼저 하나를 삭제하세요.',
  ],
  'error.bad-file.too-many': [
    '{most} files are kept already. Delete one first.',
    '이미 파일 {most}개가 있습니다. 먼저 하나를 삭제하세요.',
  ],
  'error.bad-file.carried-too-many-bytes': [
    'The run comes with its data “{name}”, but your files may take {megabytes} MB together. Delete one in “Your data”, then import again.',
    '실행에 딸린 데이터 “{name}”까지 넣으면 파일이 모두 합쳐 {megabytes} MB를 넘습니다. ‘내 데이터’에서 하나를 삭제한 뒤 다시 가져오세요.',
  ],
  'error.bad-file.carried-too-many': [
    'The run comes with its data “{name}”, but {most} files are kept already. Delete one in “Your data”, then import again.',
    '실행에 딸린 데이터 “{name}”을(를) 넣을 자리가 없습니다. 이미 파일 {most}개가 있으니 ‘내 데이터’에서 하나를 삭제한 뒤 다시 가져오세요.',
  ],
  'error.bad-file.too-much': [
    'Reading the file takes too much memory or time. Bring a smaller one.',
    '파일을 읽는 데 메모리나 시간이 너무 많이 듭니다. 더 작은 파일을 올리세요.',
  ],
  'error.bad-file.broken': ['The file was not sent to its end.', '파일이 끝까지 오지 않았습니다.'],
  'error.bad-file.too-slow': [
    'Sending and reading the file took too long.',
    '파일을 보내고 읽는 데 너무 오래 걸렸습니다.',
  ],
  'error.bad-file.no-zip': [
    'This is no zip file, or it is broken. Zip the folders anew.',
    'zip 파일이 아니거나 깨졌습니다. 폴더를 다시 압축하세요.',
  ],
  'error.bad-file.no-pictures': [
    'There are no pictures in it. Bring a zip or a folder of PNG or JPEG files, in it one folder per class.',
    '그림이 없습니다. 클래스마다 폴더 하나로 나눈 PNG나 JPEG를 폴더나 zip 파일로 올리세요.',
  ],
  'error.bad-file.many-pictures': [
    'It has {have} pictures. Bring {most} at most.',
    '그림이 {have}장입니다. {most}장까지만 올리세요.',
  ],
  'error.bad-file.many-classes': [
    'The pictures lie in {have} folders. Bring {most} at most.',
    '폴더가 {have}개입니다. {most}개까지만 올리세요.',
  ],
  'error.bad-file.few-pictures': [
    'The folder “{name}” has {have} pictures. Put {least} or more into each.',
    '“{name}” 폴더에 그림이 {have}장뿐입니다. 폴더마다 {least}장 이상 넣으세요.',
  ],
  'error.bad-file.many-entries': [
    'The zip file has {have} entries. Leave {most} at most.',
    'zip 파일에 항목이 {have}개입니다. {most}개 아래로 줄이세요.',
  ],
  'error.bad-file.bad-name': [
    'The zip file has an entry “{name}”, which leads out of it. Zip the folders anew.',
    'zip 파일의 “{name}” 항목이 바깥 폴더를 가리킵니다. 폴더를 다시 압축하세요.',
  ],
  'error.bad-file.no-plain-file': [
    '“{name}” is a link or no plain file. Put the picture itself there.',
    '“{name}”은(는) 링크이거나 보통 파일이 아닙니다. 그림 파일 자체를 넣으세요.',
  ],
  'error.bad-file.locked': [
    '“{name}” is encrypted or packed in an unusual way. Zip the folders anew, without a password.',
    '“{name}”에 암호가 걸렸거나 압축 방식이 특이합니다. 암호 없이 다시 압축하세요.',
  ],
  'error.bad-file.too-large': [
    'The zip file unpacks to more than {most} MB. Use smaller pictures, or fewer.',
    'zip 파일을 풀면 {most}MB가 넘습니다. 그림을 줄이거나 덜어 내세요.',
  ],
  'error.bad-file.not-decoded': [
    '“{name}” is no whole PNG or JPEG. Save it again, or leave it out.',
    '“{name}”은(는) 온전한 PNG나 JPEG가 아닙니다. 다시 저장하거나 빼세요.',
  ],
  'error.bad-file.many-pixels': [
    '“{name}” has {width} × {height} pixels. Make it smaller.',
    '“{name}”의 크기가 {width} × {height}픽셀입니다. 크기를 줄이세요.',
  ],
  'error.bad-knob.one-class': [
    'All pictures lie in one folder. To tell them apart takes two, one for each class.',
    '그림이 모두 한 폴더에 있습니다. 구별을 배우려면 클래스마다 하나씩 폴더가 둘 이상 있어야 합니다.',
  ],
  'error.file.the table is empty; it needs a line of names, then numbers': [
    'The table is empty; it needs a line of names, then numbers.',
    '표가 비어 있습니다. 첫 줄에 이름을, 그 아래에 수를 쓰세요.',
  ],
  'error.file.this is not a text; save the table as CSV': [
    'This is not a text; save the table as CSV.',
    '텍스트가 아닙니다. 표를 CSV로 저장해서 쓰세요.',
  ],
  'error.file.the table has {bytes} bytes; use {most} at most': [
    'The table has {bytes} bytes; use {most} at most.',
    '표가 {bytes}바이트입니다. {most}바이트까지만 쓰세요.',
  ],
  'error.file.the table has {rows} rows and {columns} columns; use {most_rows} and {most_columns} at most': [
    'The table has {rows} rows and {columns} columns; use {most_rows} and {most_columns} at most.',
    '표가 {rows}행 {columns}열입니다. {most_rows}행 {most_columns}열까지만 쓰세요.',
  ],
  'error.file.a quotation mark opened in row {row} is never closed; close or remove it': [
    'A quotation mark opened in row {row} is never closed; close or remove it.',
    '{row}행에서 연 따옴표가 닫히지 않았습니다. 닫거나 지우세요.',
  ],
  'error.file.column {column} has no name; the first line names the columns': [
    'Column {column} has no name; the first line names the columns.',
    '{column}번째 열에 이름이 없습니다. 첫 줄에 열의 이름을 쓰세요.',
  ],
  'error.file.columns {first} and {second} are both named “{name}”; rename one of them': [
    'Columns {first} and {second} are both named “{name}”; rename one of them.',
    '{first}번째와 {second}번째 열의 이름이 모두 “{name}”입니다. 하나를 바꾸세요.',
  ],
  'error.file.row {row} has {cells} cells, but the first line names {columns} columns': [
    'Row {row} has {cells} cells, but the first line names {columns} columns.',
    '{row}행에는 칸이 {cells}개인데 첫 줄의 열은 {columns}개입니다.',
  ],
  'error.file.row {row}, column “{name}”: “{cell}” is no number; mend it or leave the cell empty': [
    'Row {row}, column “{name}”: “{cell}” is no number; mend it or leave the cell empty.',
    '{row}행 “{name}” 열: “{cell}”은(는) 수가 아닙니다. 고치거나 칸을 비우세요.',
  ],
  'error.file.row {row}, column “{name}”: “{cell}” is no date; write it like 2024-12-31 18:00': [
    'Row {row}, column “{name}”: “{cell}” is no date; write it like 2024-12-31 18:00.',
    '{row}행 “{name}” 열: “{cell}”은(는) 날짜가 아닙니다. 2024-12-31 18:00처럼 쓰세요.',
  ],
  'error.file.columns “{first}” and “{second}” cannot both be dates: the rows are put in the order of one': [
    'Columns “{first}” and “{second}” cannot both be dates: the rows are put in the order of one.',
    '“{first}” 열과 “{second}” 열을 모두 날짜로 읽을 수는 없습니다. 행은 날짜 열 하나의 순서로 놓입니다.',
  ],
  'error.file.the table has no column “{name}”': [
    'The table has no column “{name}”.',
    '표에 “{name}” 열이 없습니다.',
  ],
  'error.file.column “{name}” has no number in it; remove it': [
    'Column “{name}” has no number in it; remove it.',
    '“{name}” 열에 수가 하나도 없습니다. 이 열을 지우세요.',
  ],
  'error.file.the table has no column of numbers': [
    'The table has no column of numbers.',
    '표에 수로 된 열이 없습니다.',
  ],
  'error.file.the table has no column “{name}”; choose one of {columns}': [
    '{field}: the table has no column “{name}”. Choose one of {columns}.',
    '{field}: 표에 “{name}” 열이 없습니다. {columns} 가운데서 고르세요.',
  ],
  'error.file.column “{name}” holds words, no numbers; choose one of {columns}': [
    '{field}: the column “{name}” holds words, no numbers. Choose one of {columns}.',
    '{field}: “{name}” 열에는 수가 아니라 글자가 있습니다. {columns} 가운데서 고르세요.',
  ],
  'error.file.column “{name}” holds dates; choose one of {columns}': [
    '{field}: the column “{name}” holds dates. Choose one of {columns}.',
    '{field}: “{name}” 열에는 날짜가 있습니다. {columns} 가운데서 고르세요.',
  ],
  'error.file.the table has no other column of numbers beside {columns}; bring one with more': [
    '{field}: the table has no other column of numbers beside {columns}. Bring one with more.',
    '{field}: 표에 {columns} 말고는 수로 된 열이 없습니다. 수 열이 더 있는 표를 올리세요.',
  ],
  'error.file.column “{name}” has numbers beyond {most}; use a larger unit': [
    '{field}: the column “{name}” has numbers beyond {most}. Use a larger unit.',
    '{field}: “{name}” 열에 {most}을(를) 넘는 수가 있습니다. 더 큰 단위로 바꾸세요.',
  ],
  'error.file.column “{name}” is the same in all rows that can be used; choose one that changes': [
    '{field}: the column “{name}” is the same in all rows that can be used. Choose one that changes.',
    '{field}: “{name}” 열은 쓸 수 있는 모든 행에서 값이 같습니다. 값이 달라지는 열을 고르세요.',
  ],
  'error.file.{have} of {rows} rows have a value in each of {columns}; {least} are needed: fill cells in': [
    '{have} of {rows} rows have a value in each of {columns}; {least} are needed. Fill cells in, or choose other columns.',
    '{rows}행 가운데 {columns} 열의 값이 모두 있는 행은 {have}개뿐입니다. {least}개는 있어야 하니 빈칸을 채우거나 다른 열을 고르세요.',
  ],
  'error.file.the table has no column of words; choose the label among {columns}': [
    '{field}: the table has no column of words. Choose the label among {columns}.',
    '{field}: 표에 글자로 된 열이 없습니다. {columns} 가운데서 레이블을 고르세요.',
  ],
  'error.file.column “{name}” is “{value}” in every row; two classes are needed, so choose another': [
    '{field}: the column “{name}” is “{value}” in every row. Two classes are needed: choose another column.',
    '{field}: “{name}” 열은 모든 행에서 “{value}”입니다. 클래스가 둘이어야 하니 다른 열을 고르세요.',
  ],
  'error.file.column “{name}” has {count} different numbers, so it is no class; choose regression as data set':
    [
      '{field}: the column “{name}” has {count} different numbers, so it is no class. Choose regression as data set, or another column.',
      '{field}: “{name}” 열에는 서로 다른 수가 {count}개나 있어 클래스로 볼 수 없습니다. 데이터셋에서 회귀를 고르거나 다른 열을 고르세요.',
    ],
  'error.file.column “{name}” has {count} values, {values}; name the one to tell from all others': [
    '{field}: the column “{name}” has {count} values, {values}. Name the one to tell from all others.',
    '{field}: “{name}” 열에는 값이 {count}가지({values}) 있습니다. 그 가운데 나머지와 구별할 값 하나를 쓰세요.',
  ],
  'error.file.column “{name}” has no value “{value}”; it has {values}': [
    '{field}: the column “{name}” has no value “{value}”; it has {values}.',
    '{field}: “{name}” 열에 “{value}” 값이 없습니다. 있는 값은 {values}입니다.',
  ],
  'error.file.the text has {have} different pieces of {length} words; bring a longer one or choose fewer words':
    [
      'The text has {have} different pieces of {length} words in a row. Bring a longer one, or choose fewer words.',
      '이 글에는 단어 {length}개가 이어진 토막이 {have}가지뿐입니다. 더 긴 글을 올리거나 단어 수를 줄이세요.',
    ],
  'error.unknown-file': ['There is no such file.', '그런 파일은 없습니다.'],
  'error.unknown-file.not-to-export': [
    'A file that this run was trained on is not, or no longer, in “Your data”. Export the run without its data.',
    '이 실행을 학습시킨 파일이 ‘내 데이터’에 없습니다. 데이터를 빼고 내보내세요.',
  ],
  'error.unknown-data': ['There is no such data set.', '그런 데이터셋은 없습니다.'],
  'error.bad-knob.no-run': [
    'The run {run} is not recorded here; it may have been deleted. Choose another one.',
    '{run} 실행의 기록이 없습니다. 그사이 삭제되었을 수 있습니다. 다른 실행을 고르세요.',
  ],
  'error.bad-knob.other-run': [
    'The run {run} is of “{experiment}”. Choose one of “{wanted}”.',
    '{run}은(는) ‘{experiment}’의 실행입니다. ‘{wanted}’의 실행을 고르세요.',
  ],
  'error.bad-knob.no-weights': [
    'That run has no checkpoint yet. Let it train for a second, then choose it again.',
    '그 실행에는 아직 체크포인트가 없습니다. 1초 넘게 학습한 뒤 다시 고르세요.',
  ],
  'error.bad-knob.bad-run': [
    'Nothing can be taken of that run: {cause}. Choose another one.',
    '그 실행의 가중치를 쓸 수 없습니다: {cause}. 다른 실행을 고르세요.',
  ],
  'error.bad-knob.run-shape': [
    'The run’s weights do not fit its layers. Choose another one.',
    '그 실행의 가중치가 층의 크기와 맞지 않습니다. 다른 실행을 고르세요.',
  ],
  'error.bad-knob.no-number': ['{field} is not a number.', '{field} 값이 숫자가 아닙니다.'],
  'error.bad-field.guess': ['This is no answer to the question.', '이 질문의 답이 될 수 없는 값입니다.'],
  'error.bad-field.question': [
    'A question needs words, and two answers or more, a value or a curve.',
    '질문에는 글과 함께 보기 두 개 이상, 값, 곡선 가운데 하나가 있어야 합니다.',
  ],
  'error.bad-field.range': [
    'The range must go from less to more, and on a logarithmic axis be positive.',
    '범위는 작은 값에서 큰 값으로, 로그 축에서는 양수여야 합니다.',
  ],
  'error.bad-field.bad-tag': [
    'A tag has 1 to 30 characters and no comma.',
    '태그는 쉼표 없이 1자 이상 30자 이하로 쓰세요.',
  ],
  'error.bad-field.many-tags': ['A run has at most 10 tags.', '태그는 실행마다 10개까지 붙일 수 있습니다.'],
  'error.bad-field.sweep-empty': ['There are no values to try.', '시도할 값이 없습니다.'],
  'error.bad-field.sweep-inverted': ['{low} is not below {high}.', '{low}이(가) {high}보다 작지 않습니다.'],
  'error.bad-field.sweep-zero': [
    'On a logarithmic scale the range must begin above 0.',
    '로그 눈금에서는 0보다 큰 값에서 시작해야 합니다.',
  ],
  'error.bad-field.sweep-range': [
    '{value} is outside the setting’s range, {low} to {high}.',
    '{value}은(는) 설정값의 범위 {low} ~ {high} 밖입니다.',
  ],
  'error.bad-field.sweep-many': [
    '{given} combinations are too many; try {most} or fewer.',
    '조합 {given}개는 너무 많습니다. 최대 {most}개까지 됩니다.',
  ],
  'error.bad-field.sweep-long': [
    '{count} combinations allow {most} steps at most.',
    '조합 {count}개에는 최대 {most}스텝까지 됩니다.',
  ],
  'error.bad-field.greater_than_equal': ['That is too small.', '너무 작습니다.'],
  'error.bad-field.less_than_equal': ['That is too large.', '너무 큽니다.'],
  'error.bad-field.out-of-range': [
    'This run has steps {first} to {last}.',
    '이 실행에는 스텝 {first}부터 스텝 {last}까지 있습니다.',
  ],
  'error.too-many-sweeps': [
    'Other sweeps are running. Wait until one ends, or stop it.',
    '다른 스윕이 진행 중입니다. 끝나기를 기다리거나 중지하세요.',
  ],
  'error.sweep-too-large': [
    'That needs {needed} MiB, but only {allowed} MiB is allowed: try {most} values or fewer.',
    '{needed}MiB가 필요한데 {allowed}MiB까지만 쓸 수 있습니다. 값을 {most}개 이하로 줄이세요.',
  ],
  'error.sweep-failed': ['The sweep failed: {cause}', '스윕에 실패했습니다: {cause}'],
  'error.bad-schedule': ['This schedule cannot be used: {detail}', '이 스케줄은 쓸 수 없습니다: {detail}'],
  'error.bad-schedule.out-of-range': [
    '{value} is outside the setting’s range, {low} to {high}',
    '{value}은(는) 설정값의 범위 {low} ~ {high} 밖입니다',
  ],
  'error.bad-schedule.look': [
    'This setting does not affect training: choose one that does',
    '학습에 영향을 주지 않는 설정값입니다. 다른 설정값을 고르세요',
  ],
  'error.bad-schedule.unheard': [
    'There is no scalar {watch}; choose from {names}',
    '{watch} 스칼라가 없습니다. 쓸 수 있는 것: {names}',
  ],
  'error.bad-schedule.missing': [
    'A value is missing: fill in every field',
    '빠진 값이 있습니다. 모든 칸을 채우세요',
  ],
  'error.bad-schedule.greater_than_equal': ['Use {ge} or more', '{ge} 이상이어야 합니다'],
  'error.bad-schedule.greater_than': ['Use more than {gt}', '{gt}보다 커야 합니다'],
  'error.bad-schedule.less_than_equal': ['Use {le} or less', '{le} 이하여야 합니다'],
  'error.bad-schedule.less_than': ['Use less than {lt}', '{lt}보다 작아야 합니다'],
  'error.bad-schedule.int_from_float': ['Use a whole number', '정수여야 합니다'],
  'error.bad-schedule.int_type': ['Use a whole number', '정수여야 합니다'],
  'error.bad-schedule.float_type': ['Use a number', '숫자여야 합니다'],
  'error.bad-schedule.value_error': [
    'Steps must increase, and on a logarithmic scale every value must be above 0',
    '스텝은 점점 커져야 하고, 로그 눈금에서는 모든 값이 0보다 커야 합니다',
  ],
  'error.bad-schedule.too_short': [
    'Draw a line, or give at least one point',
    '선을 그리거나 점을 하나 이상 적으세요',
  ],
  'error.bad-archive': [
    'This file is not a run exported by Descent: {detail}',
    'Descent에서 내보낸 실행 파일이 아닙니다: {detail}',
  ],
  'error.bad-picture.no-picture': [
    'This file is neither PNG nor JPEG. Save the picture as one of them.',
    'PNG도 JPEG도 아닌 파일입니다. 둘 중 하나로 저장해서 올리세요.',
  ],
  'error.bad-picture.broken': [
    'The file breaks off, or is damaged. Save the picture again.',
    '파일이 중간에 끊겼거나 손상되었습니다. 이미지를 다시 저장해서 올리세요.',
  ],
  'error.bad-picture.too-many-pixels': [
    'The picture has more than 60 million pixels. Make it smaller first.',
    '이미지가 6천만 화소보다 큽니다. 먼저 크기를 줄이세요.',
  ],
  'error.bad-picture.too-much': [
    'Decoding the picture took too much memory or time. Make it smaller first.',
    '이미지를 읽는 데 메모리나 시간이 너무 많이 듭니다. 먼저 크기를 줄이세요.',
  ],
  'error.not-installed': [
    '{what} is not installed here. Install it with: pip install "descent-playground[{extra}]"',
    '{what}이(가) 설치되어 있지 않습니다. 다음 명령으로 설치하세요: pip install "descent-playground[{extra}]"',
  ],
  'error.not-written': [
    'Could not write the recording, so nothing was changed.',
    '기록 파일에 쓸 수 없어 아무것도 바꾸지 않았습니다.',
  ],
  'error.too-many-imports': [
    'One run is being imported and another is waiting. Try again when both are done.',
    '실행 하나를 가져오는 중이고 하나가 더 기다리고 있습니다. 둘 다 끝난 뒤에 다시 시도하세요.',
  ],
  'error.imports-full': [
    'Imported runs have used up their space. Delete some of them first.',
    '가져온 실행이 쓸 수 있는 공간이 가득 찼습니다. 먼저 몇 개를 삭제하세요.',
  ],
  'error.no-script.borrowed': [
    'A script does not hold the weights of the recorded run that this one began from. Save everything as a bundle instead.',
    '스크립트에는 이 실행이 이어받은 가중치를 담을 수 없습니다. 대신 전체를 번들로 저장하세요.',
  ],
  'error.no-script': [
    'This run cannot be exported as a script: {detail}',
    '이 실행은 스크립트로 내보낼 수 없습니다: {detail}',
  ],
  'error.fetch-failed.offline': [
    '{host} cannot be reached. Check the connection of the machine that Descent runs on, or name a mirror in DESCENT_DATA_MIRROR.',
    '{host}에 연결할 수 없습니다. Descent가 실행 중인 컴퓨터의 네트워크를 확인하거나, DESCENT_DATA_MIRROR에 미러 주소를 지정하세요.',
  ],
  'error.fetch-failed.broken': [
    'The connection to {host} broke. What has come is kept: go on when the line is back.',
    '{host} 연결이 끊겼습니다. 받은 부분은 남아 있으니, 다시 연결되면 이어받으세요.',
  ],
  'error.fetch-failed.refused': [
    '{host} answered {status} for {file}. Try again later, or name a mirror in DESCENT_DATA_MIRROR.',
    '{host}에서 {file} 요청에 {status}(으)로 답했습니다. 나중에 다시 시도하거나, DESCENT_DATA_MIRROR에 미러 주소를 지정하세요.',
  ],
  'error.fetch-failed.wrong-size': [
    '{host} has another {file} than the known one, so nothing was kept. Try again later, or name a mirror in DESCENT_DATA_MIRROR.',
    '{host}에 있는 {file} 파일은 알려진 것과 크기가 달라 저장하지 않았습니다. 나중에 다시 시도하거나, DESCENT_DATA_MIRROR에 미러 주소를 지정하세요.',
  ],
  'error.fetch-failed.wrong-file': [
    '{file} is not the known file (its checksum or contents differ), so it was deleted. Try again later, or name a mirror in DESCENT_DATA_MIRROR.',
    '{file} 파일이 알려진 것과 달라(체크섬 또는 내용 불일치) 지웠습니다. 나중에 다시 시도하거나, DESCENT_DATA_MIRROR에 미러 주소를 지정하세요.',
  ],
  'error.fetch-failed.redirected': [
    '{host} leads to {target}, which is not followed. Name a mirror in DESCENT_DATA_MIRROR.',
    '{host}에서 {target}(으)로 넘기려 해서 따라가지 않았습니다. DESCENT_DATA_MIRROR에 미러 주소를 지정하세요.',
  ],
  'error.fetch-failed.no-room': [
    'That needs {needed} MiB, and {free} MiB are free in {folder}. Make room, and try again.',
    '{needed}MiB가 필요한데 {folder} 폴더에는 {free}MiB만 남아 있습니다. 공간을 비우고 다시 시도하세요.',
  ],
  'error.fetch-failed.not-written': [
    'It could not be written to {folder} ({cause}).',
    '{folder} 폴더에 쓸 수 없습니다({cause}).',
  ],
  'error.fetch-failed.busy': [
    'Another Descent is fetching it at the moment. Wait until it has.',
    '다른 Descent가 내려받는 중입니다. 끝날 때까지 기다리세요.',
  ],
});
