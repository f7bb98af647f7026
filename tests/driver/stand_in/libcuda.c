/* Stands in for NVIDIA's libcuda.so.1 on a driver test host, which has no GPU: what of the driver API a proof uses.
 * Whether it initialises follows the host's state as NVIDIA's does: the loaded module, its version against this file's
 * own version, the unified memory module. Device memory is ordinary memory.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int CUresult;
enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
       MISMATCH = 803, UNKNOWN = 999 };
#define GPUS "/proc/driver/nvidia/gpus"

static int ready;

static int own_version(char *version, size_t size)
{
    Dl_info info;
    char real[PATH_MAX], *mark;
    if (!dladdr((void *)own_version, &info) || !realpath(info.dli_fname, real)) return 0;
    mark = strstr(real, ".so.");
    if (!mark) return 0;
    snprintf(version, size, "%s", mark + 4);
    return 1;
}

static int loaded_version(char *version, size_t size)
{
    FILE *file = fopen("/sys/module/nvidia/version", "r");
    int got;
    if (!file) return 0;
    got = fgets(version, (int)size, file) != NULL;
    fclose(file);
    version[strcspn(version, "\n")] = 0;
    return got;
}

/* The place of the GPU with that number, in the order of the bus; 0 when there is none. */
static int find(int wanted, char *place, int *count)
{
    struct dirent **entries;
    int all = scandir(GPUS, &entries, NULL, alphasort), found = 0, seen = 0;
    for (int i = 0; i < all; i++) {
        if (entries[i]->d_name[0] != '.') {
            if (seen == wanted && place) { snprintf(place, PATH_MAX, GPUS "/%s/information", entries[i]->d_name); found = 1; }
            seen++;
        }
        free(entries[i]);
    }
    if (all >= 0) free(entries);
    if (count) *count = seen;
    return found;
}

CUresult cuInit(unsigned flags)
{
    char own[64], loaded[64];
    int count = 0;
    if (flags) return INVALID_VALUE;
    if (!loaded_version(loaded, sizeof loaded)) return NO_DEVICE;
    if (!own_version(own, sizeof own) || strcmp(own, loaded)) return MISMATCH;
    find(-1, NULL, &count);
    if (!count) return NO_DEVICE;
    if (access("/sys/module/nvidia_uvm", F_OK) || access("/dev/nvidia-uvm", F_OK)) return UNKNOWN;
    ready = 1;
    return SUCCESS;
}

CUresult cuDriverGetVersion(int *version)
{
    static const int table[][2] = {{367, 8000}, {375, 8000}, {384, 9000}, {470, 11040}, {535, 12020}, {580, 13000}};
    char own[64];
    if (!own_version(own, sizeof own)) return UNKNOWN;
    *version = 8000;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (atoi(own) >= table[i][0]) *version = table[i][1];
    return SUCCESS;
}

CUresult cuDeviceGetCount(int *count)
{
    if (!ready) return NOT_INITIALIZED;
    find(-1, NULL, count);
    return SUCCESS;
}

CUresult cuDeviceGet(int *device, int ordinal)
{
    char place[PATH_MAX];
    if (!ready) return NOT_INITIALIZED;
    if (!find(ordinal, place, NULL)) return INVALID_DEVICE;
    *device = ordinal;
    return SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, int device)
{
    char place[PATH_MAX], line[128] = "";
    FILE *file;
    if (!ready) return NOT_INITIALIZED;
    if (!find(device, place, NULL) || !(file = fopen(place, "r"))) return INVALID_DEVICE;
    if (fgets(line, sizeof line, file)) line[strcspn(line, "\n")] = 0;
    fclose(file);
    char *text = strchr(line, ':');
    text = text ? text + 1 + strspn(text + 1, " \t") : line;
    snprintf(name, (size_t)size, "%s", text);
    return SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = (size_t)15360 << 20; return ready ? SUCCESS : NOT_INITIALIZED; }
CUresult cuDeviceGetAttribute(int *value, int what, int device) { (void)device; *value = what == 75 ? 7 : what == 76 ? 5 : 0; return ready ? SUCCESS : NOT_INITIALIZED; }
CUresult cuCtxCreate_v2(void **context, unsigned flags, int device) { (void)flags; (void)device; *context = &ready; return ready ? SUCCESS : NOT_INITIALIZED; }
CUresult cuCtxDestroy_v2(void *context) { (void)context; return SUCCESS; }
CUresult cuDevicePrimaryCtxRetain(void **context, int device) { return cuCtxCreate_v2(context, 0, device); }
CUresult cuDevicePrimaryCtxRelease(int device) { (void)device; return SUCCESS; }
CUresult cuCtxSetCurrent(void *context) { (void)context; return SUCCESS; }
CUresult cuCtxSynchronize(void) { return ready ? SUCCESS : NOT_INITIALIZED; }
CUresult cuMemAlloc_v2(void **pointer, size_t size) { if (!ready) return NOT_INITIALIZED; return (*pointer = malloc(size)) ? SUCCESS : OUT_OF_MEMORY; }
CUresult cuMemFree_v2(void *pointer) { free(pointer); return SUCCESS; }
CUresult cuMemsetD8_v2(void *pointer, unsigned char value, size_t size) { memset(pointer, value, size); return SUCCESS; }
CUresult cuMemcpyHtoD_v2(void *to, const void *from, size_t size) { memcpy(to, from, size); return SUCCESS; }
CUresult cuMemcpyDtoH_v2(void *to, const void *from, size_t size) { memcpy(to, from, size); return SUCCESS; }
CUresult cuGetErrorName(CUresult code, const char **name)
{
    switch (code) {
    case SUCCESS: *name = "CUDA_SUCCESS"; return SUCCESS;
    case NO_DEVICE: *name = "CUDA_ERROR_NO_DEVICE"; return SUCCESS;
    case MISMATCH: *name = "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"; return SUCCESS;
    case UNKNOWN: *name = "CUDA_ERROR_UNKNOWN"; return SUCCESS;
    default: *name = NULL; return INVALID_VALUE;
    }
}
