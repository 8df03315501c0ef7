/** Sizes of files with their unit. */

import { megabytes } from './datasets.svelte.js';
import { t } from './i18n.svelte.js';

/** 19 kB, 1.1 MB. @param {number} bytes */
export const sized = (bytes) =>
  bytes < 1e6
    ? t('data.kilobytes', { size: Math.ceil(bytes / 1000) })
    : t('data.size', { size: megabytes(bytes) });
