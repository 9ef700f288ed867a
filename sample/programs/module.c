/* What a kernel module says of itself, and nothing more: enough to compare it with the kernel. Sample firmware. */
#define SAY(name, text) static const char name[] __attribute__((used, section(".modinfo"), aligned(1))) = text
SAY(license, "license=Apache-2.0");
SAY(description, "description=Lumen image sensor");
SAY(vermagic, "vermagic=" KERNEL " preempt mod_unload MIPS32_R1 32BIT ");
