/* Stands in for NVIDIA's libnvidia-ml.so.1 in the stand-in runfile: a real library with NVIDIA's name and nothing in it
 * but the call that every user begins with. The stand-in nvidia-smi only looks at its version, which is its file's name.
 */
int nvmlInit_v2(void);
int nvmlInit_v2(void) { return 9; /* NVML_ERROR_DRIVER_NOT_LOADED */ }
