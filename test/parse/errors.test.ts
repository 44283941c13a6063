import { describe, expect, it } from 'vitest';
import { formatFrame } from '../../src/base/source.js';
import { parseDockerfile } from '../../src/parse/parser.js';
import { errorOf, parse, placeOf } from './helpers.js';

/** `[title, Dockerfile, message]`; numbers are those of the case lists in dockerfile-semantics. */
const FILE_ERRORS: [string, string, string][] = [
  ['no bytes', '', 'the Dockerfile cannot be empty'],
  ['only blanks and comments', '# Hello\n\n  # world\n', 'file with no instructions'],
  ['3: escape twice', '# escape=`\n# escape=`\nFROM a', 'only one escape parser directive can be used'],
  ['3: syntax twice', '# syntax=a\n# SYNTAX=b\nFROM a', 'only one syntax parser directive can be used'],
  ['an escape token of two characters', '# escape=\\\\\nFROM a', "invalid escape token '\\\\' does not match ` or \\"],
  ['an unknown escape token', '# escape=^\nFROM a', "invalid escape token '^' does not match ` or \\"],
  ['25: only ARG', 'ARG a=1\nARG b\n', 'dockerfile contains no stages to build'],
  ['RUN before FROM', 'ARG a\nRUN x\nFROM a', 'no build stage in current context'],
  ['26: a line of 65536 bytes', `FROM a\nRUN ${'x'.repeat(65_532)}\n`, 'dockerfile line greater than max allowed size of 65535'],
  [
    '26: a line of 65536 bytes, not characters',
    `FROM a\nRUN ${'é'.repeat(32_766)}\n`,
    'dockerfile line greater than max allowed size of 65535',
  ],
  ['a heredoc line of 65536 bytes', `FROM a\nRUN <<E\n${'x'.repeat(65_536)}\nE`, 'dockerfile line greater than max allowed size of 65535'],
  ['a lone continuation', '\\\n', 'unknown instruction: '],
  ['134: an unknown instruction', 'FROMM a', 'unknown instruction: FROMM (did you mean FROM?)'],
  ['134: an unknown instruction in lower case', 'from a\nrum x', 'unknown instruction: rum (did you mean run?)'],
  ['134: an unknown instruction in mixed case', 'FROM a\nRum x', 'unknown instruction: Rum (did you mean run?)'],
  ['134: an unknown instruction like no other', 'FROM a\nBAZINGA x', 'unknown instruction: BAZINGA'],
  ['a fault of form in a later line comes first', 'FROMM a\nENV A', 'ENV must have two arguments'],
];

/** `[title, instruction in a stage, message]` */
const INSTRUCTION_ERRORS: [string, string, string][] = [
  ['11: a number among strings', 'CMD ["a", 1]', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['11: a nested array', 'RUN ["a", ["b"]]', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['11: null in COPY', 'COPY ["a", null]', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['11: in a HEALTHCHECK', 'HEALTHCHECK CMD [1]', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['11: in an ONBUILD', 'ONBUILD CMD [1]', 'when using JSON array syntax, arrays must be comprised of strings only'],
  ['14: ENV with a word without =', 'ENV A=1 B', `Syntax error - can't find = in "B". Must be of the form: name=value`],
  ['14: LABEL with a word without =', 'LABEL a=b "c d"', `Syntax error - can't find = in "\\"c d\\"". Must be of the form: name=value`],
  ['14: ENV with a name alone', 'ENV PATH', 'ENV must have two arguments'],
  ['14: LABEL with a name alone', 'label PATH', 'LABEL must have two arguments'],
  ['ENV without anything', 'ENV', 'ENV requires at least one argument'],
  ['ENV with a blank name', 'ENV =x', 'ENV names can not be blank'],
  ['LABEL with a blank name', 'LABEL a=b =x', 'LABEL names can not be blank'],
  ['ENV with a flag', 'ENV --x a=b', 'unknown flag: --x'],
  ['17: a percent sign in ENV', 'ENV a=b %s', `Syntax error - can't find = in "%s". Must be of the form: name=value`],
  ['18: FROM a b', 'FROM a b', 'FROM requires either one or three arguments'],
  ['18: FROM a AS', 'FROM a AS', 'FROM requires either one or three arguments'],
  ['18: FROM with four words', 'FROM a AS b c', 'FROM requires either one or three arguments'],
  ['18: FROM with a comment', 'FROM a # c', 'FROM requires either one or three arguments'],
  ['FROM without anything', 'FROM', 'FROM requires either one or three arguments'],
  ['FROM a IS b', 'FROM a IS b', 'FROM requires either one or three arguments'],
  [
    '19: a stage name with a digit first',
    'FROM x AS 0a',
    `invalid name for build stage: "0a", name can't start with a number or contain symbols`,
  ],
  [
    '19: a stage name with a symbol',
    'FROM x AS A$',
    `invalid name for build stage: "A$", name can't start with a number or contain symbols`,
  ],
  ['134: a mistyped flag of FROM', 'FROM --platfrm=x y', 'unknown flag: --platfrm (did you mean platform?)'],
  ['FROM --platform without a value', 'FROM --platform y', 'missing a value on flag: --platform'],
  ['20: ONBUILD ONBUILD', 'ONBUILD ONBUILD RUN x', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
  ['20: ONBUILD FROM', 'ONBUILD from x', "FROM isn't allowed as an ONBUILD trigger"],
  ['20: ONBUILD MAINTAINER', 'ONBUILD MAINTAINER x', "MAINTAINER isn't allowed as an ONBUILD trigger"],
  ['ONBUILD without anything', 'ONBUILD', 'ONBUILD requires at least one argument'],
  ['ONBUILD with a flag', 'ONBUILD --x RUN y', 'unknown flag: --x'],
  ['ONBUILD of an unknown instruction', 'ONBUILD RUNN y', 'unknown instruction: RUNN (did you mean RUN?)'],
  ['a flag fault inside ONBUILD', 'ONBUILD COPY --frm=x a b', 'unknown flag: --frm (did you mean from?)'],
  ['21: USER without anything', 'USER', 'USER requires exactly one argument'],
  ['21: WORKDIR without anything', 'WORKDIR', 'WORKDIR requires exactly one argument'],
  ['21: MAINTAINER without anything', 'maintainer', 'MAINTAINER requires exactly one argument'],
  ['21: STOPSIGNAL without anything', 'STOPSIGNAL', 'STOPSIGNAL requires exactly one argument'],
  ['MAINTAINER with a flag', 'MAINTAINER --boo joe', 'unknown flag: --boo'],
  ['24: --link=maybe', 'COPY --link=maybe a b', 'expecting boolean value for flag --link, not: maybe'],
  ['24: --link=', 'COPY --link= a b', 'missing a value on flag: --link'],
  ['--from without a value', 'COPY --from a b', 'missing a value on flag: --from'],
  ['a flag twice', 'COPY --chown=1 --chown=1 a b', 'duplicate flag specified: --chown'],
  ['134: a mistyped flag of COPY', 'COPY --chwon=1 a b', 'unknown flag: --chwon (did you mean chown?)'],
  ['an unknown flag of COPY', 'COPY --user=me foo /tmp/', 'unknown flag: --user'],
  ['a flag of COPY on ADD', 'ADD --from=x a b', 'unknown flag: --from'],
  ['a flag of ADD on COPY', 'COPY --checksum=x a b', 'unknown flag: --checksum'],
  ['a flag named like a member of Object', 'COPY --constructor=x a b', 'unknown flag: --constructor'],
  ['COPY with one path', 'COPY a', 'COPY requires at least two arguments, but only one was provided. Destination could not be determined'],
  ['ADD without anything', 'ADD', 'ADD requires at least two arguments, but only one was provided. Destination could not be determined'],
  ['COPY []', 'COPY []', 'COPY requires at least two arguments, but only one was provided. Destination could not be determined'],
  ['RUN --network=maybe', 'RUN --network=maybe x', 'invalid network mode "maybe"'],
  ['RUN --security=maybe', 'RUN --security=maybe x', 'security "maybe" is not valid'],
  ['RUN --mount without a value', 'RUN --mount x', 'missing a value on flag: --mount'],
  ['134: a mistyped flag of RUN', 'RUN --mout=x y', 'unknown flag: --mout (did you mean mount?)'],
  ['RUN []', 'RUN []', 'arguments are required'],
  ['a flag on CMD', 'CMD --doit [ "a", "b" ]', 'unknown flag: --doit'],
  ['SHELL without JSON', 'SHELL bash -c', 'SHELL requires the arguments to be in JSON form'],
  ['SHELL []', 'SHELL []', 'SHELL requires at least one argument'],
  ['EXPOSE without anything', 'EXPOSE', 'EXPOSE requires at least one argument'],
  ['VOLUME []', 'VOLUME []', 'VOLUME requires at least one argument'],
  ['a blank volume', 'VOLUME ["a", " "]', 'VOLUME specified can not be an empty string'],
  ['ARG without anything', 'ARG', 'ARG requires at least one argument'],
  ['ARG with a blank name', 'ARG a =b', 'ARG names can not be blank'],
  ['HEALTHCHECK without anything', 'HEALTHCHECK', 'HEALTHCHECK requires at least one argument'],
  ['HEALTHCHECK NONE with arguments', 'HEALTHCHECK NONE x', 'HEALTHCHECK NONE takes no arguments'],
  ['HEALTHCHECK CMD without a command', 'HEALTHCHECK CMD', 'Missing command after HEALTHCHECK CMD'],
  ['HEALTHCHECK CMD []', 'HEALTHCHECK CMD []', 'Missing command after HEALTHCHECK CMD'],
  ['an unknown HEALTHCHECK', 'HEALTHCHECK connect TCP 7000', 'Unknown type "CONNECT" in HEALTHCHECK (try CMD)'],
  ['an interval without a unit', 'HEALTHCHECK --interval=5 CMD x', 'time: missing unit in duration "5"'],
  ['an interval with an unknown unit', 'HEALTHCHECK --interval=5d CMD x', 'time: unknown unit "d" in duration "5d"'],
  ['an interval that is none', 'HEALTHCHECK --timeout=soon CMD x', 'time: invalid duration "soon"'],
  ['an interval with a lone sign', 'HEALTHCHECK --timeout=- CMD x', 'time: invalid duration "-"'],
  ['an interval past 292 years', 'HEALTHCHECK --timeout=9999999h CMD x', 'time: invalid duration "9999999h"'],
  ['a short interval', 'HEALTHCHECK --start-period=1us CMD x', 'Interval "start-period" cannot be less than 1ms'],
  ['a negative interval', 'HEALTHCHECK --start-interval=-1s CMD x', 'Interval "start-interval" cannot be less than 1ms'],
  ['retries that are no number', 'HEALTHCHECK --retries=x CMD y', 'strconv.ParseInt: parsing "x": invalid syntax'],
  ['too many retries', 'HEALTHCHECK --retries=2147483648 CMD y', 'strconv.ParseInt: parsing "2147483648": value out of range'],
  ['negative retries', 'HEALTHCHECK --retries=-1 CMD y', '--retries cannot be negative (-1)'],
  ['39: arithmetic that looks like a heredoc', 'RUN echo $((1 << 3))', 'unterminated heredoc'],
  ['a heredoc without an end', 'RUN <<EOF\nx\nEOF x\n', 'unterminated heredoc'],
  ['40: COPY to a heredoc', 'COPY a <<EOF\nx\nEOF', 'COPY cannot accept a heredoc as a destination'],
  ['40: ADD to a heredoc', 'ADD a <<-"EOF"\nx\nEOF', 'ADD cannot accept a heredoc as a destination'],
  ['42: a heredoc of CMD', 'CMD <<EOF\necho\nEOF', 'unknown instruction: echo'],
  ['42: a heredoc of ENV', 'ENV a=<<EOF\necho\nEOF', 'unknown instruction: echo'],
];

describe('what is wrong with a file', () => {
  it.each(FILE_ERRORS)('%s', (_, text, message) => {
    const error = errorOf(() => parse(text));
    expect([error.kind, error.message]).toEqual(['dockerfile', message]);
    expect(error.range).toBeDefined();
  });
});

describe('what is wrong with an instruction', () => {
  it.each(INSTRUCTION_ERRORS)('%s', (_, text, message) => {
    const error = errorOf(() => parse(`FROM scratch\n${text}`));
    expect([error.kind, error.message]).toEqual(['dockerfile', message]);
    expect(error.range?.startLine).toBeGreaterThan(1);
  });
});

describe('where it is wrong', () => {
  it.each<[string, string, string]>([
    ['a whole instruction', 'FROM a\n  ENV A\n', '2:3-2:8'],
    ['28: an instruction over lines', 'FROM a\nEN\\\nV A\n', '2:1-3:4'],
    ['a keyword', 'FROM a\n RUNN x', '2:2-2:6'],
    ['a flag', 'FROM a\nCOPY --link --chwon=1:2 a b', '2:13-2:24'],
    ['a flag on a continued line', 'FROM a\nCOPY --link \\\n  # note\n  --chwon=1:2 \\\n a b', '4:3-4:14'],
    ['a flag where the escape is a backtick', '# escape=`\nFROM a\nCOPY --link `\n  --chwon=1:2 a b', '4:3-4:14'],
    ['a flag inside ONBUILD', 'FROM a\nONBUILD COPY --frm=x a b', '2:14-2:21'],
    ['a flag with quotes, which the library does not see', 'FROM a\nCOPY "--chwon=1" a b\nCOPY --chw"on"=1 a b', '3:1-3:21'],
    ['a stage name', 'FROM a\nFROM b AS 0c', '2:11-2:13'],
    ['a word of ENV', 'FROM a\nENV a=b \\\n  c', '3:3-3:4'],
    ['a heredoc token', 'FROM a\nRUN cat <<EOF\nx\ny', '2:9-2:14'],
    ['a heredoc token with quotes', 'FROM a\nRUN cat <<A \\\n  <<-"E"O\'F\' > x\nx\nA\ny', '3:3-3:13'],
    ['a heredoc token with blanks', 'FROM a\nRUN cat <<  EOF\nx\ny', '2:9-2:16'],
    ['a heredoc token with blanks in its name, which are not seen', 'FROM a\nRUN cat <<"E F"\nx\ny', '2:1-2:16'],
    ['an option of HEALTHCHECK', 'FROM a\nHEALTHCHECK --interval=5 CMD x', '2:13-2:25'],
    ['a directive', '# syntax=a\n # escape=x\nFROM a', '2:2-2:12'],
    ['a long line', `FROM a\n\nRUN ${'x'.repeat(70_000)}`, '3:1-3:70005'],
    ['a file without instructions', '\n# x\n', '1:1-2:4'],
    ['a stage that is missing', 'ARG a\n\nRUN x\n', '3:1-3:6'],
  ])('%s', (_, text, place) => {
    expect(placeOf(errorOf(() => parse(text)))).toBe(place);
  });

  it('is shown with the lines around it', () => {
    const error = errorOf(() => parseDockerfile('FROM a\r\nCOPY --frm=x a b\r\nRUN x\r\n', { name: 'deep/Dockerfile' }));
    expect(error.range?.file.name).toBe('deep/Dockerfile');
    expect(error.range && formatFrame(error.range)).toBe('    1 | FROM a\n>>> 2 | COPY --frm=x a b\n    3 | RUN x');
  });
});
