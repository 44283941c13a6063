import { digestFromHex } from '../../src/oci/digest.js';
import { image } from '../plan/helpers.js';
import { check } from './helpers.js';

check('UndefinedArgInFrom', [
  ['a declared one', 'ARG base=scratch\nFROM $base\nCOPY a .'],
  ['a predefined one, declared again', 'ARG BUILDPLATFORM=linux/amd64\nFROM --platform=$BUILDPLATFORM scratch'],
  ['a predefined one', 'FROM --platform=$BUILDPLATFORM scratch'],
  ['without a value', 'ARG DEBUG\nFROM scratch${DEBUG}'],
  ['with a default in place', 'ARG DEBUG\nFROM scra${DEBUG:-tch}'],
  ['an empty one that is set', 'ARG DEBUG=""\nFROM scratch${DEBUG-@bogus}'],
  [
    'a typing mistake',
    'FROM --platform=$BULIDPLATFORM scratch',
    ['UndefinedArgInFrom', '1', "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)"],
  ],
  [
    'another, in a part of the platform',
    'ARG MY_OS=linux\nARG MY_ARCH=amd64\nFROM --platform=linux/${MYARCH} busybox',
    ['UndefinedArgInFrom', '3', "FROM argument 'MYARCH' is not declared (did you mean MY_ARCH?)"],
  ],
  [
    'nothing near',
    'ARG tag=latest\nFROM busybox:${tag}${version} AS b\nCOPY a .',
    ['UndefinedArgInFrom', '2', "FROM argument 'version' is not declared"],
  ],
  [
    'an ARG of a stage is none of FROM',
    'FROM scratch AS a\nARG stage_arg=x\nFROM busybox:1${stage_arg}',
    ['UndefinedArgInFrom', '3', "FROM argument 'stage_arg' is not declared"],
  ],
  ['skipped for one stage', '# check=skip=UndefinedArgInFrom\nFROM busybox:1${version}'],
]);

const arm = image({}, { architecture: 'arm64', variant: 'v8', rootfs: { type: 'layers', diff_ids: [digestFromHex('0'.repeat(64))] } });
const PULLED = (name: string): string =>
  `Base image ${name} was pulled with platform "linux/arm64", expected "linux/amd64" for current build`;
check('InvalidBaseImagePlatform', [
  ['82: an image for another', { text: 'FROM busybox', bases: { busybox: arm } }, ['InvalidBaseImagePlatform', '1', PULLED('busybox')]],
  [
    '82: that --platform does not name',
    { text: 'FROM --platform=$BUILDPLATFORM busybox', bases: { busybox: arm } },
    ['InvalidBaseImagePlatform', '1', PULLED('busybox')],
  ],
  ['82: that --platform names', { text: 'FROM --platform=linux/arm64 busybox AS arm64', bases: { 'busybox linux/arm64': arm } }],
  ['82: an image for this platform', { text: 'FROM busybox', bases: { busybox: image({}, { rootfs: arm.rootfs }) } }],
  ['82: an image without layers is for all', { text: 'FROM busybox', bases: { busybox: image({}, { architecture: 'arm64' }) } }],
  ['82: an image that is not at hand', 'FROM busybox'],
  [
    '82: one that is copied from',
    { text: 'FROM scratch\nCOPY --from=busybox /bin /bin', bases: { busybox: arm } },
    ['InvalidBaseImagePlatform', '2', PULLED('busybox')],
  ],
  [
    '82: one that is mounted',
    { text: 'FROM scratch\nRUN --mount=from=busybox,target=/b true', bases: { busybox: arm } },
    ['InvalidBaseImagePlatform', '2', PULLED('busybox')],
  ],
]);

const REDUNDANT = (word: string): string => `Setting platform to predefined ${word} in FROM is redundant as this is the default behavior`;
check('RedundantTargetPlatform', [
  ['bare', 'FROM --platform=$TARGETPLATFORM scratch', ['RedundantTargetPlatform', '1', REDUNDANT('$TARGETPLATFORM')]],
  ['in braces', 'FROM --platform=${TARGETPLATFORM} scratch', ['RedundantTargetPlatform', '1', REDUNDANT('${TARGETPLATFORM}')]],
  ['BUILDPLATFORM', 'FROM --platform=$BUILDPLATFORM scratch'],
  ['put together', 'FROM --platform=$TARGETOS/$TARGETARCH scratch'],
  ['with another beside it', 'ARG V=\nFROM --platform=$TARGETPLATFORM$V scratch'],
  ['skipped for one stage', '# check=skip=RedundantTargetPlatform\nFROM --platform=$TARGETPLATFORM scratch'],
]);

const DEFAULT = (base: string): string => `Default value for ARG ${base} results in empty or invalid base image name`;
check('InvalidDefaultArgInFrom', [
  [
    'an empty tag',
    { text: 'ARG VERSION\nFROM busybox:$VERSION', buildArgs: { VERSION: 'latest' } },
    ['InvalidDefaultArgInFrom', '2', DEFAULT('busybox:$VERSION')],
  ],
  [
    'an empty name',
    { text: 'ARG IMAGE\nFROM $IMAGE', buildArgs: { IMAGE: 'busybox' } },
    ['InvalidDefaultArgInFrom', '2', DEFAULT('$IMAGE')],
  ],
  [
    'a half one',
    { text: 'ARG SFX="box:"\nFROM busy${SFX}', buildArgs: { SFX: 'box:latest' } },
    ['InvalidDefaultArgInFrom', '2', DEFAULT('busy${SFX}')],
  ],
  ['a good default', { text: 'ARG VERSION="latest"\nFROM busybox:${VERSION}', buildArgs: { VERSION: 'x' } }],
  ['an empty part', { text: 'ARG VARIANT=""\nFROM busybox:stable${VARIANT}', buildArgs: { VARIANT: '-musl' } }],
  ['a part without a value', { text: 'ARG VARIANT\nFROM busybox:stable${VARIANT}', buildArgs: { VARIANT: '-musl' } }],
  [
    'of every stage',
    { text: 'ARG A\nFROM scratch\nFROM $A', build: true, buildArgs: { A: 'scratch' }, target: '' },
    ['InvalidDefaultArgInFrom', '3', DEFAULT('$A')],
  ],
]);

const CONSTANT = (platform: string): string => `FROM --platform flag should not use constant value "${platform}"`;
check('FromPlatformFlagConstDisallowed', [
  ['a constant', 'FROM --platform=linux/amd64 scratch', ['FromPlatformFlagConstDisallowed', '1', CONSTANT('linux/amd64')]],
  ['as it is written', 'FROM --platform=linux/x86_64 scratch', ['FromPlatformFlagConstDisallowed', '1', CONSTANT('linux/x86_64')]],
  ['with the architecture in the name', 'FROM --platform=linux/amd64 scratch AS my_amd64_stage'],
  ['with the system in the name', 'FROM --platform=linux/amd64 scratch AS linux'],
  ['with another name', 'FROM --platform=linux/amd64 scratch AS build', ['FromPlatformFlagConstDisallowed', '1', CONSTANT('linux/amd64')]],
  ['a variable', 'ARG P=linux/amd64\nFROM --platform=$P scratch'],
  ['skipped for one stage', '# check=skip=FromPlatformFlagConstDisallowed\nFROM --platform=linux/amd64 scratch'],
]);
