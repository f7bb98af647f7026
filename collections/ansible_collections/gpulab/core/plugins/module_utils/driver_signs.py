"""The sentences by which drivers, kernels, installers, DKMS, CUDA and containers say what is wrong. Pure data.

Each sign is searched in `Text.flat`: one line, no prefixes, no `NVRM:`. Wordings changed over twenty years of
releases; the versions in which one was read are with it where that matters. Sources: open-gpu-kernel-modules
(osapi.c, nv.c), nvidia-installer (kernel.c, misc.c), NVML and CUDA return codes, dkms, kmod and the Linux module
loader.
"""

import re

V = r"(\d+\.\d+(?:[.-]\d+)*)"

_SIGNS = {
    # The kernel module and a client of it disagree. Groups: client, module; before 300: module, client.
    "api_mismatch": r"API mismatch: the client (?:'[^']*' \(pid \d+\) )?has the version %s,? "
    r"but this kernel module has the version %s" % (V, V),
    "api_mismatch_old": r"API mismatch: the NVIDIA kernel module has (?:the )?version %s,? "
    r"but this NVIDIA driver component has (?:the )?version %s" % (V, V),
    "api_mismatch_cut": r"API mismatch: the (?:client|NVIDIA kernel module)|this kernel module has the version %s" % V,
    # One module of the driver beside another of another version: groups nvidia.ko, the other, its version.
    "module_pair": r"Version mismatch: nvidia\.ko\(%s\) (nvidia[\w-]*\.ko)\(%s\)" % (V, V),
    "nvml_mismatch": r"driver/library version mismatch|RM has detected an NVML/RM version mismatch",
    "nvml_library": r"NVML library version: (\d+\.\d+(?:\.\d+)?)",
    "dso_mismatch": r"kernel (?:driver )?version %s does not match DSO version %s" % (V, V),
    "cuda_803": r"unsupported display driver ?/ ?cuda driver combination|CUDA_ERROR_SYSTEM_DRIVER_MISMATCH"
    r"|cudaErrorSystemDriverMismatch|\berror[ :=]*803\b",
    "loading": r"loading NVIDIA UNIX (?:Open )?(?:\S+ )?Kernel Module(?: for \S+)? +%s" % V,
    "loading_open": r"loading NVIDIA UNIX Open Kernel Module",
    # Hardware
    "gpu_lost": r"GPU is lost|fallen off the bus|Unable to determine the device handle for (?:gpu|GPU)"
    r"|GPU requires? (?:a )?reset|NVML_ERROR_GPU_IS_LOST|CUDA_ERROR_ECC_UNCORRECTABLE|Xid \([^)]*\): 79\b",
    "lost_at_probe": r"fallen off the bus and is not responding",
    "smi_errors": r"(?:ERR!\W+){3}",
    "no_gpu": r"No NVIDIA (?:graphics adapter|GPU|devices?) (?:found|detected)|unable to (?:find"
    r"|detect) (?:any )?NVIDIA (?:GPU|device)"
    r"|You do not appear to have an NVIDIA GPU",
    # The GPU and the branch or flavour of the driver
    "legacy": r"supported through the NVIDIA (?:(\d+)\.\S+ )?legacy",
    "ignores": r"The %s NVIDIA (?:Linux graphics )?driver will ignore this GPU" % V,
    "unsupported_release": r"is not supported by the (?:NVIDIA )?%s (?:NVIDIA )?(?:Linux )?(?:graphics )?(?:driver"
    r"|vGPU)" % V,
    "open_unsupported": r"Open nvidia\.ko is only ready for use on Data Center"
    r"|not supported by (?:the )?open nvidia\.ko"
    r"|does not include the required GPU System Processor"
    r"|NVIDIA open (?:GPU )?kernel modules? (?:does|do) not support (?:this|the) (?:GPU|device)",
    "open_required": r"requires? (?:the )?use of the NVIDIA open (?:GPU )?kernel modules?",
    "open_required_code": r"RmInitAdapter failed! \(0x22:0x56:",
    "pci_id": r"PCI ID: 10de:([0-9a-fA-F]{4})",
    "other_driver": r"is already bound to (?!nvidia)|probe routine was not called for \d+ device"
    r"|obtained ownership of the NVIDIA device"
    r"|Nouveau kernel driver is currently in use|nouveau kernel driver.{0,40} is (?:currently )?(?:in use|loaded)",
    # The Linux module loader
    "secure_boot": r"Required key not available|Key was rejected by service|module with unavailable key is rejected"
    r"|module with unsigned .{0,20}is rejected|unsigned module loading is restricted"
    r"|PKCS#7 signature not signed with a trusted key"
    r"|not signed by a key that is trusted by the kernel|Secure boot is enabled on this system, so this is likely",
    "vermagic": r"version magic '|Exec format error|Invalid module format|disagrees about version of symbol",
    "vermagic_pair": r"version magic '([^']*)' should be '([^']*)'",
    "missing_symbol": r"nvidia[\w-]*(?:\.ko)?: Unknown symbol (\S+?)(?: \(err (-?\d+)\))?(?: |$)"
    r"|Unknown symbol in module",
    "module_missing": r"Module nvidia(?![\w-]*uvm)[\w-]* not found"
    r"|could not find module by name='nvidia(?![\w-]*uvm)\w*'"
    r"|FATAL: Could not open '\S*nvidia\S*\.ko'|modinfo: ERROR: Module nvidia\S* not found",
    "module_alias_off": r"could not (?:find module by name=|insert )'off'|\balias nvidia(?:[-_]\w+)? off\b",
    "no_such_device": r"could not insert '?nvidia[\w-]*'?: No such device|Kernel module load error: No such device"
    r"|insert(?:ing)? '?nvidia\S*: No such device|Error inserting nvidia\w* \([^)]*\): No such device",
    "not_permitted": r"could not insert '?nvidia[\w-]*'?: Operation not permitted",
    "not_loaded": r"couldn.t communicate with the NVIDIA driver|nvml error: driver not loaded|Driver Not Loaded"
    r"|kernel driver does not appear to be running|Unable to load the kernel module 'nvidia"
    r"|Unable to load the 'nvidia-drm' kernel module|/proc/driver/nvidia/version does not exist"
    r"|cannot open file \"?/proc/driver/nvidia/version|/proc/driver/nvidia/version: No such file",
    # Building
    "headers_missing": r"Skipping kernel-(\S+?)\. kernel-headers package not installed"
    r"|kernel headers for (?:target )?kernel (\S+) cannot be found"
    r"|Unable to find the kernel source tree for the currently"
    r"|skipped since the kernel headers for this kernel|kernel headers .{0,40}(?:do(?:es)? not seem to be|(?:is"
    r"|are) not) installed"
    r"|make(?:\[\d+\])?: \*\*\* /lib/modules/(\S+)/(?:build|source): No such file or directory"
    r"|[Pp]lease install the (?:linux-headers|kernel-devel|kernel-headers)"
    r"|linux-headers-\S+ (?:package )?is not installed"
    r"|Unable to locate package linux-headers|No package kernel-devel\S* available"
    r"|Kernel source path .{0,80}does not exist"
    r"|Unable to find a match: .{0,40}kernel-devel|filtered out by exclude filtering for argument: kernel-devel"
    r"|kernel-devel-\S+ (?:is )?needed by|neither .{0,10}include/generated/autoconf\.h or",
    "compiler_mismatch": r"CC version check failed|Compiler version check failed|Failed CC version check"
    r"|does not exactly match the current compiler|unrecognized command[- ]line option"
    r"|gcc(?:-[\d.]+)?: (?:command )?not found"
    r"|gcc-[\d.]+: No such file or directory|Unable to find the development tool [`'\"]?(?:cc|gcc)"
    r"|no acceptable C compiler|gcc version .{0,60}used to (?:compile|build) the kernel .{0,80}(?:differs|mismatch)"
    r"|compiler version .{0,60}(?:does not match|differs from) .{0,60}kernel",
    "compiler_ignored": r"Ignoring CC version mismatch|Answer: (?:Ignore CC|Continue|No)",
    "build_failed": r"DKMS module '[^']*' for kernel-\S+?\.\.\. FAILED|Bad return status for module build"
    r"|bad exit status: \d+|nvidia\S*\.ko failed to build"
    r"|Failed to install the kernel module through DKMS|Unable to build the NVIDIA kernel module"
    r"|The kernel module failed to build"
    r"|performing the step: \"Building kernel modules\"|Failed to run `/usr/sbin/dkms (?:build|install)"
    r"|Build of nvidia\S*\.ko failed"
    r"|nvidia-(?:dkms|kernel)\S* package post-installation script subprocess returned error exit status (?:10|\d\d)"
    r"|Error! (?:Build|Module build)|dkms\.conf for module|\*\*\* \[[^\]]*(?:nvidia|nv-)[^\]]*\] Error \d",
    "build_kernel": r"for kernel-(\S+?)\.\.\. FAILED|module build (?:on|for) kernel:? (\S+?)[ (]"
    r"|dkms build -m nvidia\S* -v \S+ -k (\S+?)[`' :]",
    "build_done": r"DKMS module '[^']*' for kernel-\S+?\.\.\. done|DKMS: install [Cc]ompleted|is now complete"
    r"|Runtime sanity check passed"
    r"|Installation of the kernel module .{0,60}complete",
    # Firmware, adapter
    "firmware_file": r"GSP firmware image version mismatch"
    r"|firmware load for nvidia/(\S+?)/gsp\S*\.bin failed with error|No firmware image found"
    r"|gsp\S*\.bin.{0,40}(?:No such file|not found)",
    "firmware": r"Cannot initialize GSP firmware|WPR2 already up|_kgspBootGspRm|kgspExecuteFwsec\w*: failed"
    r"|kgsp\w*: failed"
    r"|Timeout (?:after \d+s of )?waiting for RPC (?:response )?from GSP|Xid \([^)]*\): 1(?:19|20)\b"
    r"|GSP Timeout|HeartbeatTimedOut|GSP(?: RM)? (?:heartbeat|failed|is not responding)"
    r"|failed to extract VBIOS|RmInitAdapter failed! \(0x6[12]:|GSP task (?:panic|timeout)",
    "adapter": r"RmInitAdapter failed|rm_init_adapter failed|rm_init_adapter\(\d+\) failed|failed to copy vbios"
    r"|RmInitNvDevice failed",
    "adapter_address": r"GPU (?:[0-9a-fA-F]{4}:)?([0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.\d): (?:RmInit|rm_init)",
    "no_devices": r"No devices were found|no CUDA-capable device is detected|CUDA_ERROR_NO_DEVICE",
    # User space
    "userspace_missing": r"couldn.t find libnvidia-ml|libnvidia-ml\.so\S*: cannot open shared object"
    r"|libcuda\.so\S*: cannot open shared object"
    r"|NVML Shared Library Not Found|[Cc]ould not load dynamic library 'libcuda\.so|Failed to (?:load|open"
    r"|find) libcuda"
    r"|Could not find cuda drivers on your machine|Found no NVIDIA driver on your system"
    r"|nvidia-smi: (?:command )?not found"
    r"|nvidia-smi.{0,60}No such file or directory|command 'nvidia-smi' not found|stub library that cannot",
    "function_missing": r"Failed to initialize NVML: Function Not Found|undefined symbol: nvml",
    "uvm": r"(?:cuda|cuInit|nvcuda)\D{0,60}\b999(?!\d)|Could not load UVM kernel module"
    r"|Module nvidia[-_](?:\w+[-_])?uvm not found"
    r"|could not find module by name=.nvidia\w*uvm|could not insert .nvidia\w*uvm"
    r"|/dev/nvidia-uvm.{0,40}(?:No such|does not exist)"
    r"|CUDA_ERROR_UNKNOWN|CUDA unknown error|\berror[ :=(]*999\b|cudaErrorUnknown"
    r"|nvidia[-_]uvm.{0,40}(?:is )?not loaded|\b999\b.{0,20}unknown error",
    # NVSwitch hosts
    "fabric_mismatch": r"driver interface version %s don.?t match" % V,
    "nvswitch_mismatch": r"nvswitch: Version mismatch, kernel version %s user version %s" % (V, V),
    "fabric_versions": r"driver interface version %s don.?t match with driver version %s"
    % (V, r"(\d+\.\d+(?:\.\d+)*)"),
    "fabric_harmless": r"NV_WARN_NOTHING_TO_DO|Nothing to do",
    "fabric_dead": r"Active: (?:inactive|failed)|Failed to start NVIDIA fabric manager"
    r"|fabric ?manager\S* .{0,60}(?:not running|failed)"
    r"|nvidia-fabricmanager\.service: (?:Failed|Main process exited)"
    r"|Unit nvidia-fabricmanager\S* (?:could not be found|not found)",
    "fabric_alive": r"Active: active \(running\)|Successfully configured all the available"
    r"|Started NVIDIA fabric manager",
    "cuda_802": r"system not yet initialized|CUDA_ERROR_SYSTEM_NOT_READY|cudaErrorSystemNotReady|\berror[ :=]*802\b",
    # Above the driver
    "cuda_804": r"forward compatibility was attempted on non supported HW|CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE"
    r"|cudaErrorCompatNotSupportedOnDevice|\berror[ :=]*804\b",
    "cuda_too_old": r"libcuda\S* undefined symbol: cu[A-Z]|driver version is insufficient for CUDA runtime"
    r"|cudaErrorInsufficientDriver"
    r"|NVIDIA driver on your system is too old"
    r"|please update your driver to a newer version|unsatisfied condition: (?:cuda|driver)|unsupported toolchain"
    r"|CUDA_ERROR_UNSUPPORTED_PTX_VERSION|driver .{0,40}(?:does not support|too old for) (?:this )?CUDA"
    r"|requires? (?:an? )?(?:NVIDIA )?driver (?:version|release) .{0,20}or (?:later|newer|higher)",
    "access_blocked": r"access blocked by the operating system|NVML: Insufficient Permissions"
    r"|nvml error: insufficient permissions"
    r"|CUDA_ERROR_OPERATING_SYSTEM|cudaErrorOperatingSystem|OS call failed or operation not supported on this OS"
    r"|\berror[ :=(]*304\b",
    "container": r"Failed to initialize NVML: Unknown Error|could not select device driver"
    r"|nvidia-container-runtime-hook|nvidia-container-cli"
    r"|unknown(?: or invalid)? runtime (?:name|specified)|nvidia-docker|failed to inject CDI|unresolvable CDI"
    r"|libnvidia-container",
}

SIGNS = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in _SIGNS.items()}
