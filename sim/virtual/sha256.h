/* SHA-256 (FIPS 180-4), by which device.c knows a compiled operator, as hashlib does in delegate.py.
 *
 * The constants are worked out as the standard defines them, so there is no table to get wrong. */
#ifndef EDGETPUSIM_SHA256_H
#define EDGETPUSIM_SHA256_H
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t turned(uint32_t x, int n) { return x >> n | x << (32 - n); }

static uint32_t fraction(int kind, int index) { /* of the square (0) or cube (1) roots of the first primes */
  int prime = 1;
  for (int found = -1; found < index;) {
    int divisor = 2;
    for (prime++; divisor * divisor <= prime && prime % divisor; divisor++) {}
    found += divisor * divisor > prime;
  }
  uint64_t root = 0; /* 32 fractional bits and up to 5 whole ones, bit by bit and exact */
  for (int bit = 37; bit >= 0; bit--) {
    uint64_t tried = root | 1ULL << bit;
    __uint128_t square = (__uint128_t)tried * tried;
    int fits = kind ? square * tried <= (__uint128_t)prime << 96 : square <= (__uint128_t)prime << 64;
    if (fits) root = tried;
  }
  return (uint32_t)root;
}

static void sha256_block(uint32_t *sum, const unsigned char *block, const uint32_t *constants) {
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++)
    w[i] = (uint32_t)block[4 * i] << 24 | block[4 * i + 1] << 16 | block[4 * i + 2] << 8 | block[4 * i + 3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + w[i - 7] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3) +
           (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(s, sum, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t one = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                   constants[i] + w[i];
    uint32_t two = (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) +
                   ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += one;
    s[0] = one + two;
  }
  for (int i = 0; i < 8; i++) sum[i] += s[i];
}

static void sha256(const unsigned char *data, size_t n, char *text) {
  uint32_t sum[8], constants[64];
  unsigned char tail[128] = {0};
  for (int i = 0; i < 8; i++) sum[i] = fraction(0, i);
  for (int i = 0; i < 64; i++) constants[i] = fraction(1, i);
  size_t whole = n / 64 * 64, left = n - whole, length = left < 56 ? 64 : 128;
  for (size_t at = 0; at < whole; at += 64) sha256_block(sum, data + at, constants);
  memcpy(tail, data + whole, left);
  tail[left] = 0x80;
  for (int i = 0; i < 8; i++) tail[length - 1 - i] = (uint64_t)n * 8 >> 8 * i;
  for (size_t at = 0; at < length; at += 64) sha256_block(sum, tail + at, constants);
  for (int i = 0; i < 8; i++) sprintf(text + 8 * i, "%08x", sum[i]);
}

#endif
