"""Tiny real tokenizers of two families: byte-level BPE, and BPE with a mark for spaces and byte fallback."""

import json

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

TEXTS = [
    "Background: In 2030 the capital moved from Kabul to Herat.",
    "What is the capital city of Afghanistan?",
    "user assistant Herat Kabul New Cairo Durrës. Good day to you and more",
    "### Instruction: ### Input: ### Response: Below is an instruction that describes a task.",
    'He said: "Absence makes the heart grow heavy." Answer: "yes"',
    *[':"so :"no :"yes ://'] * 9,
]
SPACE = "▁"


def neox(chat_template=None, special=("<|im_start|>", "<|im_end|>", "[INST]", "[/INST]"), eos="<|endoftext|>"):
    """Byte-level BPE as in GPT-NeoX: it adds no beginning of sequence, and line breaks and spaces are bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=[eos, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=chat_template, eos_token=eos, clean_up_tokenization_spaces=False
    )


def llama(legacy=True):
    """BPE over whole texts with ``▁`` for spaces and byte fallback, as in Llama 2 and Mistral.

    With ``legacy`` a normalizer puts the mark before every text, even after a special token. Otherwise a pre-tokenizer
    puts it before the first text only.
    """
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(SPACE)
    trained.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=300, show_progress=False))
    merges = [tuple(pair) for pair in _model(trained)["merges"]]
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *sorted(trained.get_vocab())]
    ids = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if legacy:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in ("<unk>", "<s>", "</s>")])
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", ids["<s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        clean_up_tokenization_spaces=False,
    )


def _model(tokenizer):
    return json.loads(tokenizer.to_str())["model"]
