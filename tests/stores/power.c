/* What a disk holds after a loss of power: put before a process (LD_PRELOAD), this keeps in ANTEROOM_TEST_DISK a copy of
 * each file as it was when it was last synced, by its inode, and of each folder's names as they were when that was.
 * Whatever was never synced is not there. */

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A copy is there whole or not at all, whenever the process is killed. */
static void settle(FILE *copy, const char *from, const char *to) {
  if (fclose(copy) != 0 || rename(from, to) != 0) abort();
}

static void keep_file(const char *disk, int fd, unsigned long long inode) {
  char from[64], made[512], kept[512], bytes[65536];
  snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
  snprintf(made, sizeof made, "%s/%llu.new", disk, inode);
  snprintf(kept, sizeof kept, "%s/%llu", disk, inode);
  FILE *source = fopen(from, "rb"), *copy = fopen(made, "wb");
  if (!source || !copy) abort();
  for (size_t n; (n = fread(bytes, 1, sizeof bytes, source)) > 0;)
    if (fwrite(bytes, 1, n, copy) != n) abort();
  fclose(source);
  settle(copy, made, kept);
}

static void keep_names(const char *disk, int fd) {
  char from[64], made[512], kept[512];
  snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
  snprintf(made, sizeof made, "%s/names.new", disk);
  snprintf(kept, sizeof kept, "%s/names", disk);
  DIR *folder = opendir(from);
  FILE *copy = fopen(made, "wb");
  if (!folder || !copy) abort();
  for (struct dirent *entry; (entry = readdir(folder));)
    if (entry->d_name[0] != '.') fprintf(copy, "%llu %s\n", (unsigned long long)entry->d_ino, entry->d_name);
  closedir(folder);
  settle(copy, made, kept);
}

int fsync(int fd) {
  int (*synced)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  int result = synced(fd);
  const char *disk = getenv("ANTEROOM_TEST_DISK");
  struct stat about;
  if (result == 0 && disk && fstat(fd, &about) == 0) {
    if (S_ISREG(about.st_mode)) keep_file(disk, fd, (unsigned long long)about.st_ino);
    if (S_ISDIR(about.st_mode)) keep_names(disk, fd);
  }
  return result;
}
