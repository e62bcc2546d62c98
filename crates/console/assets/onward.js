// Posts the form of a page that is only a step on the way to an identity provider. Without scripts, its button does.
document.querySelector("form[data-onward]")?.submit();
